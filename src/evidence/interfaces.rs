//! Well-known RPC interfaces: the identifiers that Microsoft's open specifications and the DCE
//! specification (C706) assign. A name here never decides a verdict; it tells people what a
//! port is for.

use crate::payload::Uuid;

/// The name of an interface, where it is well known.
pub(super) fn name(interface: Uuid) -> Option<&'static str> {
    let mut text = [0; 36];
    for (index, digit) in hyphenated(interface).enumerate() {
        text[index] = digit;
    }
    INTERFACES
        .binary_search_by(|(uuid, _, _)| uuid.as_bytes().cmp(&text[..]))
        .ok()
        .map(|index| INTERFACES[index].1)
}

fn hyphenated(uuid: Uuid) -> impl Iterator<Item = u8> {
    uuid.0.into_iter().enumerate().flat_map(|(index, byte)| {
        let hyphen = matches!(index, 4 | 6 | 8 | 10).then_some(b'-');
        let digits = [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
        hyphen.into_iter().chain(digits)
    })
}

/// Identifier, name, document; ascending.
const INTERFACES: &[(&str, &str, &str)] = &[
    (
        "00000131-0000-0000-c000-000000000046",
        "IRemUnknown",
        "MS-DCOM",
    ),
    (
        "00000143-0000-0000-c000-000000000046",
        "IRemUnknown2",
        "MS-DCOM",
    ),
    (
        "000001a0-0000-0000-c000-000000000046",
        "IRemoteSCMActivator",
        "MS-DCOM",
    ),
    (
        "00020400-0000-0000-c000-000000000046",
        "IDispatch",
        "MS-OAUT",
    ),
    ("0b1c2170-5732-4e0e-8cd3-d9b16f3b84d7", "authzr", "MS-RAA"),
    (
        "12345678-1234-abcd-ef00-0123456789ab",
        "winspool",
        "MS-RPRN",
    ),
    (
        "12345678-1234-abcd-ef00-01234567cffb",
        "netlogon",
        "MS-NRPC",
    ),
    ("12345778-1234-abcd-ef00-0123456789ab", "lsarpc", "MS-LSAD"),
    ("12345778-1234-abcd-ef00-0123456789ac", "samr", "MS-SAMR"),
    (
        "1c1c45ee-4395-11d2-b60b-00104b703efd",
        "IWbemFetchSmartEnum",
        "MS-WMI",
    ),
    ("1ff70682-0a51-30e8-076d-740be8cee98b", "atsvc", "MS-TSCH"),
    ("338cd001-2244-31f1-aaaa-900038001003", "winreg", "MS-RRP"),
    ("367abb81-9844-35f1-ad32-98f038001003", "svcctl", "MS-SCMR"),
    ("378e52b0-c0a9-11cf-822d-00aa0051e40f", "sasec", "MS-TSCH"),
    ("3919286a-b10c-11d0-9ba8-00c04fd92ef5", "dssetup", "MS-DSSP"),
    (
        "3dde7c30-165d-11d1-ab8f-00805f14db40",
        "BackupKey",
        "MS-BKRP",
    ),
    (
        "423ec01e-2e35-11d2-b604-00104b703efd",
        "IWbemWCOSmartEnum",
        "MS-WMI",
    ),
    ("4b324fc8-1670-01d3-1278-5a47bf6ee188", "srvsvc", "MS-SRVS"),
    (
        "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57",
        "IActivation",
        "MS-DCOM",
    ),
    ("4fc742e0-4a10-11cf-8273-00aa004ae673", "netdfs", "MS-DFSNM"),
    (
        "50abc2a4-574d-40b3-9d66-ee4fd5fba076",
        "dnsserver",
        "MS-DNSP",
    ),
    (
        "6b5bdd1e-528c-422c-af8c-a4079be4fe48",
        "RemoteFW",
        "MS-FASP",
    ),
    ("6bffd098-a112-3610-9833-46c3f87e345a", "wkssvc", "MS-WKST"),
    (
        "76f03f96-cdfd-44fc-a22c-64950a001209",
        "IRemoteWinspool",
        "MS-PAR",
    ),
    (
        "82273fdc-e32a-18c3-3f78-827929dc23ea",
        "eventlog",
        "MS-EVEN",
    ),
    (
        "86d35949-83c9-4044-b424-db363231fd0c",
        "ITaskSchedulerService",
        "MS-TSCH",
    ),
    (
        "894de0c0-0d55-11d3-a322-00c04fa321a1",
        "InitShutdown",
        "MS-RSP",
    ),
    (
        "897e2e5f-93f3-4376-9c9c-fd2277495c27",
        "FrsTransport",
        "MS-FRS2",
    ),
    (
        "91ae6020-9e3c-11cf-8d7c-00aa00c091be",
        "ICertPassage",
        "MS-ICPR",
    ),
    (
        "9556dc99-828c-11cf-a37e-00aa003240c7",
        "IWbemServices",
        "MS-WMI",
    ),
    (
        "99fcfec4-5260-101b-bbcb-00aa0021347a",
        "IObjectExporter",
        "MS-DCOM",
    ),
    ("afa8bd80-7d8a-11c9-bef4-08002b102989", "mgmt", "C706"),
    ("c681d488-d850-11d0-8c52-00c04fd90f7e", "efsrpc", "MS-EFSR"),
    ("ccd8c074-d0e5-4a40-92b4-d074faa6ba28", "Witness", "MS-SWN"),
    (
        "d4781cd6-e5d3-44df-ad94-930efe48a887",
        "IWbemLoginClientID",
        "MS-WMI",
    ),
    ("df1941c5-fe89-4e79-bf10-463657acf44d", "efsrpc", "MS-EFSR"),
    ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", "epmapper", "C706"),
    ("e3514235-4b06-11d1-ab04-00c04fc2dcd2", "drsuapi", "MS-DRSR"),
    (
        "f309ad18-d86a-11d0-a075-00c04fb68820",
        "IWbemLevel1Login",
        "MS-WMI",
    ),
    ("f5cc59b4-4264-101a-8c59-08002b2f8426", "frsrpc", "MS-FRS1"),
    (
        "f6beaff7-1e19-4fbb-9f8f-b89e2018337c",
        "eventlog6",
        "MS-EVEN6",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{dce_rpc, endpoint_mapper};

    #[test]
    fn every_entry_is_found_by_its_identifier() {
        for (text, expected, document) in INTERFACES {
            let mut bytes = [0; 16];
            let digits: String = text.chars().filter(|&digit| digit != '-').collect();
            for (byte, index) in bytes.iter_mut().zip((0..).step_by(2)) {
                *byte = u8::from_str_radix(&digits[index..index + 2], 16).expect("hex digits");
            }
            assert_eq!(Uuid(bytes).to_string(), *text);
            assert_eq!(name(Uuid(bytes)), Some(*expected));
            assert!(*document == "C706" || document.starts_with("MS-"));
        }
    }

    #[test]
    fn what_is_not_listed_has_no_name() {
        assert_eq!(name(endpoint_mapper::INTERFACE), Some("epmapper"));
        assert_eq!(name(dce_rpc::NDR), None);
    }
}
