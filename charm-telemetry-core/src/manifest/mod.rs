//! `charm.yaml`: read, checked and typed, with every problem at once.
//! One rule: what the reference accepts is accepted and what it refuses is refused; see [`Manifest::parse`] for the
//! few files on which we differ.

mod base64;
mod check;
mod compose;
mod events;
mod fault;
mod marks;
mod names;
mod node;
mod read;
mod schema;
mod syntax;
mod tabs;
mod typed;
mod values;
mod wording;
mod yaml11;

pub use names::{AdapterName, Names};
pub use read::{Checked, Examined};
pub use typed::{Adapter, EnvironmentVariables, ExporterName, Manifest, Persona, Policies, Runtime};
