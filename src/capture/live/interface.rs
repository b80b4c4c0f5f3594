//! The interfaces that there are.

use std::net::IpAddr;

use nix::net::if_::if_nametoindex;
use pcap::Device;

use super::error::words;
use super::{ANY, OpenError};

/// An interface that may be captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, by which it is opened.
    pub name: String,
    /// What the system says of it.
    pub description: Option<String>,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is set up.
    pub is_up: bool,
    /// Whether it is also able to carry frames: a cable is in it.
    pub is_running: bool,
    /// Whether what it sends comes back to it.
    pub is_loopback: bool,
    /// Whether it is a radio.
    pub is_wireless: bool,
}

/// Every interface, `any` among them, in libpcap's order: the likeliest to be wanted first.
///
/// # Errors
/// Where the system doesn't say.
pub fn interfaces() -> Result<Vec<Interface>, OpenError> {
    let devices = Device::list().map_err(|error| OpenError::Other {
        name: "interfaces".to_owned(),
        message: words(&error),
    })?;
    let interfaces = devices
        .into_iter()
        .filter(|device| is_interface(&device.name));
    Ok(interfaces.map(Interface::from).collect())
}

/// Whether there is such an interface. What libpcap takes besides (Bluetooth, D-Bus, logs of the
/// packet filter) is none, and carries no IP or ends at once.
pub(super) fn is_interface(name: &str) -> bool {
    name == ANY || if_nametoindex(name).is_ok()
}

impl From<Device> for Interface {
    fn from(device: Device) -> Self {
        Self {
            addresses: device
                .addresses
                .into_iter()
                .map(|address| address.addr)
                .collect(),
            is_up: device.flags.is_up(),
            is_running: device.flags.is_running(),
            is_loopback: device.flags.is_loopback(),
            is_wireless: device.flags.is_wireless(),
            name: device.name,
            description: device.desc,
        }
    }
}
