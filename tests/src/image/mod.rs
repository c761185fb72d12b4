//! Building images in tests: the command, exporter crates, layouts, registries, engines.
//!
//! Rule: everything a test makes is in a temporary folder or stopped when its guard is dropped, also on failure.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

mod command;
mod crates;
mod docker;
mod engine;
mod house;
mod layout;
mod python_base;
mod registry;
mod repository;

pub use crate::workspace::root;
pub use command::{Said, image, image_at, image_by_a_careful_user, image_command, tool};
pub use crates::{CrateRegistry, ExporterCrate};
pub use docker::DockerDaemon;
pub use engine::{Bundle, Container, LoadedImage, programs_without};
pub use house::HouseInGit;
pub use layout::{BaseImage, Layout, index_of};
pub use python_base::python_base;
pub use registry::{PASSWORD, Registry, USER};
pub use repository::{AuthorHome, AuthorRepository, resolve_elsewhere};
