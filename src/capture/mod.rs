//! What the user named → frames: sources, compression, containers (pcap, pcapng), link types.
//! Frames are borrowed from the read buffer, never copied. Knows nothing of headers.

mod batch;
mod buffer;
mod byte_order;
mod compression;
mod cut;
mod error;
mod folder;
mod format;
mod frame;
mod fuzz;
mod link_type;
#[cfg(feature = "live")]
pub mod live;
mod pcap;
mod pcapng;
mod problem;
mod reader;
mod source;
mod stream;

#[cfg(test)]
mod builder;
#[cfg(test)]
mod properties;
pub use compression::Compression;
pub use cut::Cuts;
pub use error::{ReadError, SourceError, SourceErrors, SourceWarning};
pub use frame::Frame;
#[doc(hidden)]
pub use fuzz::{fuzz_compression, fuzz_container, fuzz_cuts};
pub use link_type::LinkType;
pub use pcapng::Drops;
#[cfg(feature = "live")]
pub use pcapng::{Blocks, InterfaceDescription, InterfaceStatistics, Section};
pub use problem::{Problem, ProblemKind};
pub use reader::{Batch, Reader};
pub use source::{Source, Sources, sources};
