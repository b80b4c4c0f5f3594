//! What a boot file's name tells of the program in it.

/// Names of network boot programs of Windows Deployment Services and Configuration Manager.
const WINDOWS: [&str; 9] = [
    "abortpxe.com",
    "bootmgfw.efi",
    "hdlscom1.n12",
    "pxeboot.com",
    "pxeboot.n12",
    "wdsmgfw.efi",
    "wdsnbp.com",
    "bootmgr.exe",
    "hdlscom1.com",
];
/// Endings of programs for BIOS: syslinux, GRUB, WDS, iPXE.
const BIOS: [&str; 8] = [
    "linux.0", "core.0", ".com", ".n12", ".kpxe", ".kkpxe", ".kkkpxe", ".lkrn",
];
/// Sent by a distribution point to a machine that it does not boot, whatever its firmware.
const ABORT: &str = "abortpxe.com";

/// Whom a boot program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Firmware of the first PCs.
    Bios,
    /// UEFI of any processor.
    Uefi,
    /// UEFI on 64-bit ARM.
    UefiArm64,
}

/// The program by the name of its file; `None` where that says nothing.
pub(super) fn program(file: &[u8]) -> Option<Program> {
    let name = base_name(file);
    // Of an address, the end may be a host's name.
    if name == ABORT || file.windows(3).any(|three| three == b"://") {
        return None;
    }
    if BIOS.iter().any(|end| name.ends_with(end)) {
        return Some(Program::Bios);
    }
    if !name.ends_with(".efi") {
        return None;
    }
    let path = String::from_utf8_lossy(file).to_ascii_lowercase();
    let arm = ["aa64", "arm64"].iter().any(|name| path.contains(name));
    Some(if arm {
        Program::UefiArm64
    } else {
        Program::Uefi
    })
}

/// Whether it is one of Windows Deployment Services or Configuration Manager.
pub(super) fn is_windows(file: &[u8]) -> bool {
    let name = base_name(file);
    WINDOWS.contains(&name.as_str())
}

/// In lower case, without folders of either slash.
fn base_name(file: &[u8]) -> String {
    let name = file.rsplit(|byte| matches!(byte, b'/' | b'\\')).next();
    String::from_utf8_lossy(name.unwrap_or_default()).to_ascii_lowercase()
}

/// Kind of firmware by its architecture (IANA "Processor Architecture Types", RFC 4578); `None`
/// for those that are rare.
pub(super) fn firmware(architecture: u16) -> Option<Program> {
    match architecture {
        0 => Some(Program::Bios),
        6 | 7 | 9 => Some(Program::Uefi),
        11 => Some(Program::UefiArm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_firmware() {
        for (file, expected) in [
            (&b"pxelinux.0"[..], Some(Program::Bios)),
            (b"smsboot\\x64\\WDSNBP.COM", Some(Program::Bios)),
            (b"SMSBoot\\CM100001\\x64\\pxeboot.n12", Some(Program::Bios)),
            (b"undionly.kpxe", Some(Program::Bios)),
            (b"SMSBoot\\x64\\wdsmgfw.efi", Some(Program::Uefi)),
            (b"EFI/BOOT/BOOTAA64.EFI", Some(Program::UefiArm64)),
            (b"http://deploy.example.com", None),
            (b"SMSBoot\\x64\\abortpxe.com", None),
            (b"vmlinuz-6.1.0", None),
            (b"kernel", None),
            (b"", None),
        ] {
            assert_eq!(program(file), expected, "{}", file.escape_ascii());
        }
        assert!(is_windows(b"SMSBoot\\x64\\wdsnbp.com"));
        assert!(!is_windows(b"pxelinux.0"));
    }
}
