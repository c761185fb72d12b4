//! A base image with Python, made of Debian's packages.
//!
//! Rule: `cargo xtask test` fetches and unpacks the packages; here they only become an image.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::layout::write_rootfs;
use crate::requires;

/// The layout of the base; `None` after saying that the calling test is skipped.
///
/// # Panics
/// If it cannot be made of the files that are there.
pub fn python_base() -> Option<&'static Path> {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    let home = crate::workspace::root().join("target/test-python-base");
    let root = home.join("rootfs");
    if !root.join("usr/bin/python3.11").is_file() {
        return requires::missing(
            "a root file system with Python in target/test-python-base",
            "start the tests with `cargo xtask test` on Debian",
        );
    }
    Some(BASE.get_or_init(|| {
        // Other test programs make it at the same time: each in a folder of its own, the last one wins.
        let folder = home.join(format!("layout-{}", std::process::id()));
        let config = json!({ "Cmd": ["/usr/bin/python3"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"] });
        write_rootfs(&root, &config, &folder);
        let shared = home.join("layout");
        let _ = Command::new("rm").arg("-rf").arg(&shared).status();
        std::fs::rename(&folder, &shared).expect("the layout can be put into its place");
        shared
    }))
}
