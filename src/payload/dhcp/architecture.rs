//! Architectures of option 93: IANA's registry "Processor Architecture Types" (RFC 4578, RFC 5970),
//! <https://www.iana.org/assignments/dhcpv6-parameters>.

/// Number, name, and whether it is one that boots over HTTP.
const ARCHITECTURES: [(u16, &str, bool); 42] = [
    (0, "x86 BIOS", false),
    (1, "NEC PC-98", false),
    (2, "Itanium", false),
    (3, "DEC Alpha", false),
    (4, "Arc x86", false),
    (5, "Intel Lean Client", false),
    (6, "x86 UEFI", false),
    (7, "x64 UEFI", false),
    (8, "Xscale UEFI", false),
    // The registry's "EBC" by number. RFC 4578 had 7 and 9 the other way round, so that x64
    // firmware may say 9.
    (9, "x64 UEFI (EBC number)", false),
    (10, "ARM 32-bit UEFI", false),
    (11, "ARM 64-bit UEFI", false),
    (12, "PowerPC Open Firmware", false),
    (13, "PowerPC ePAPR", false),
    (14, "POWER OPAL v3", false),
    (15, "x86 UEFI HTTP", true),
    (16, "x64 UEFI HTTP", true),
    (17, "EBC HTTP", true),
    (18, "ARM 32-bit UEFI HTTP", true),
    (19, "ARM 64-bit UEFI HTTP", true),
    (20, "x86 BIOS HTTP", true),
    (21, "ARM 32-bit U-Boot", false),
    (22, "ARM 64-bit U-Boot", false),
    (23, "ARM 32-bit U-Boot HTTP", true),
    (24, "ARM 64-bit U-Boot HTTP", true),
    (25, "RISC-V 32-bit UEFI", false),
    (26, "RISC-V 32-bit UEFI HTTP", true),
    (27, "RISC-V 64-bit UEFI", false),
    (28, "RISC-V 64-bit UEFI HTTP", true),
    (29, "RISC-V 128-bit UEFI", false),
    (30, "RISC-V 128-bit UEFI HTTP", true),
    (31, "s390 Basic", false),
    (32, "s390 Extended", false),
    (33, "MIPS 32-bit UEFI", false),
    (34, "MIPS 64-bit UEFI", false),
    (35, "Sunway 32-bit UEFI", false),
    (36, "Sunway 64-bit UEFI", false),
    (37, "LoongArch 32-bit UEFI", false),
    (38, "LoongArch 32-bit UEFI HTTP", true),
    (39, "LoongArch 64-bit UEFI", false),
    (40, "LoongArch 64-bit UEFI HTTP", true),
    (41, "ARM rpiboot", false),
];

/// Name of an architecture.
pub fn architecture_name(number: u16) -> Option<&'static str> {
    entry(number).map(|(_, name, _)| *name)
}

/// Whether the architecture is one that boots over HTTP.
pub fn boots_over_http(number: u16) -> bool {
    entry(number).is_some_and(|(.., over_http)| *over_http)
}

fn entry(number: u16) -> Option<&'static (u16, &'static str, bool)> {
    ARCHITECTURES.get(usize::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (place, (number, name, over_http)) in ARCHITECTURES.iter().enumerate() {
            assert_eq!(place, usize::from(*number));
            assert_eq!(name.ends_with("HTTP"), *over_http, "{name}");
        }
        assert_eq!(architecture_name(7), Some("x64 UEFI"));
        assert_eq!(architecture_name(9999), None);
        assert!(boots_over_http(16) && !boots_over_http(7));
    }
}
