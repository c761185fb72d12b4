//! Building images in tests: the command, exporter crates, layouts, registries, engines.
//!
//! Rule: everything a test makes is in a temporary folder or stopped when its guard is dropped, also on failure.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

mod command;
mod crates;
mod engine;
mod layout;
mod python_base;
mod registry;

pub use crate::workspace::root;
pub use command::{Said, image, image_at, tool};
pub use crates::{CrateRegistry, ExporterCrate};
pub use engine::{Bundle, Container, LoadedImage};
pub use layout::{BaseImage, Layout, index_of};
pub use python_base::python_base;
pub use registry::{PASSWORD, Registry, USER};
