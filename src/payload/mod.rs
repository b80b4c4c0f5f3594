//! Views of payload bytes: no state, no allocation beyond what they return, a fuzz target each.

pub mod dce_rpc;
pub mod dcom;
pub mod dhcp;
pub mod endpoint_mapper;
pub mod ndr;
pub mod reader;
pub mod tftp;
mod text;
mod uuid;

pub use text::Text;
pub use uuid::Uuid;

/// Reads any bytes, and panics where the view contradicts itself.
#[doc(hidden)]
pub type FuzzBody = fn(&[u8]);

/// Every view's fuzz body by name. The fuzz crate and the tests below walk it.
#[doc(hidden)]
pub const FUZZ: &[(&str, FuzzBody)] = &[
    ("dce_rpc", dce_rpc::fuzz),
    ("dcom", dcom::fuzz),
    ("dhcp", dhcp::fuzz),
    ("endpoint_mapper", endpoint_mapper::fuzz),
    ("ndr", ndr::fuzz),
    ("reader", reader::fuzz),
    ("tftp", tftp::fuzz),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Good input of every view, from which to go astray.
    fn seeds() -> Vec<Vec<u8>> {
        let towers = vec![endpoint_mapper::build::tower(7, &[0xc0, 2], [10, 0, 0, 1]); 3];
        let (order, width) = (ndr::ByteOrder::Little, ndr::Width::Ndr);
        let options: [(u8, &[u8]); 4] = [
            (dhcp::code::OVERLOAD, &[3]),
            (dhcp::code::MESSAGE_TYPE, &[2]),
            (dhcp::code::VENDOR_CLASS, b"PXEClient:Arch:00007"),
            (dhcp::code::BOOT_FILE, b"boot"),
        ];
        vec![
            b"\0\x01boot.wim\0octet\0blksize\x001456\0tsize\x000\0".to_vec(),
            b"\0\x06windowsize\x008\0".to_vec(),
            endpoint_mapper::build::map(&towers, order, width),
            endpoint_mapper::build::map(&towers, ndr::ByteOrder::Big, ndr::Width::Ndr64),
            dhcp::build::message(2, &[(44, &[66, 1, 1, 255])], &options),
            b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\x01\0"
                .to_vec(),
            b"\x05\0\0\x83\0\0\0\0\0\x40\0\x08\0\0\0\x01".repeat(4),
            b"\x04\x02\x08\0\x10\0\0\0".repeat(12),
            dcom::build::bindings(&["a[1]", "10.0.0.5[49154]"]),
        ]
    }

    proptest! {
        #[test]
        fn fuzz_bodies_hold_for_any_bytes(data in prop::collection::vec(any::<u8>(), 0..300)) {
            for (_, body) in FUZZ {
                body(&data);
            }
        }

        #[test]
        fn fuzz_bodies_hold_near_good_input(
            seed in 0_usize..9,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            end in any::<prop::sample::Index>(),
            tail in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut data = seeds().swap_remove(seed);
            for (index, value) in changes {
                let index = index.index(data.len());
                data[index] = value;
            }
            data.truncate(end.index(data.len() + 1).max(data.len() / 2));
            data.extend(tail);
            for (_, body) in FUZZ {
                body(&data);
            }
        }
    }
}
