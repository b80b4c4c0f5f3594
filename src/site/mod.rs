//! The user's site: which addresses hold which roles, custom ports, vantage, what is required.
//! No packet is seen here.
//!
//! ```text
//! file (TOML) → a reader per section, all errors at once → Site → RoleLookup, HostLookup
//! ```

mod accept;
mod address;
mod check;
mod direction;
mod external;
mod file;
mod hosts;
mod model;
mod parse;
mod place;
mod ports;
mod prefix;
mod require;
mod roles;
mod rpc;
mod scope;
mod segments;
mod vocabulary;

pub use check::summary;
pub use external::is_globally_reachable;
pub use file::LoadedSite;
pub use hosts::HostLookup;
pub use model::{
    Acceptance, AcceptedParty, AcceptedPorts, AddressRange, RequirementsWanted, RpcMinimum,
    RpcPair, RpcSettings, Site, SiteServerInitiates,
};
pub use place::Place;
pub use prefix::{Meaning, RoleLookup};
pub use vocabulary::Vocabulary;
