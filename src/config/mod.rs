//! What policy and site files share: source text with lines and columns, diagnostics that are
//! collected and shown all at once, a cursor over TOML, the nearest valid name.
//!
//! ```text
//! Source → Problems::new(&source) → Document::parse(&problems) → document.root() → Table, Value
//! ```

mod diagnostic;
mod nearest;
mod problems;
mod render;
mod source;
mod table;
mod text;
mod value;

pub use diagnostic::{Diagnostic, Diagnostics, Excerpt, Severity};
pub use nearest::{nearest, suggestion};
pub use problems::Problems;
pub use source::Source;
pub use table::{Document, Entry, Table};
pub use text::{printable, quoted};
pub use value::{Located, Value};
