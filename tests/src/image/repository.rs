//! A repository as a third party has it: an exporter, and an `xtask` of three lines.
//!
//! Rule: it knows the house as its author would: by folder, or as a repository of git.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use charm_telemetry_image::Digest;

use crate::workspace::root;

/// A folder of an author, outside of the house, and that no one else builds with what authors have compiled. It is always
/// the same one, because cargo keeps what it compiled for every other. Removed when it is dropped.
#[derive(Debug)]
pub struct AuthorHome {
    /// Where it is, empty to begin with.
    pub folder: PathBuf,
    _turn: File,
}

impl AuthorHome {
    /// Waits for its turn.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn of(kind: &str) -> Self {
        let shared = root().join("target/image-test");
        fs::create_dir_all(&shared).unwrap();
        let turn = File::create(shared.join("author.lock")).unwrap();
        turn.lock().unwrap();
        let folder = std::env::temp_dir().join(format!("charm-test-{kind}-{}", place()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, _turn: turn }
    }
}

impl Drop for AuthorHome {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Tells this checkout from others.
pub(super) fn place() -> String {
    Digest::of(root().as_os_str().as_encoded_bytes()).hex()[..8].to_owned()
}

/// A repository with the exporter `sink`.
#[derive(Debug)]
pub struct AuthorRepository {
    home: AuthorHome,
    reach: Reach,
}

/// What cargo may fetch.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// What is on this machine, a repository in a folder too.
    Folders,
    /// Nothing at all. Of a crate that is patched cargo would otherwise ask its registry.
    Nothing,
}

impl AuthorRepository {
    /// One that names the house by its folder, as long as nothing of it is in a registry.
    pub fn beside_the_house() -> Self {
        let house = root().display();
        let patch = format!(
            "\n[patch.crates-io]\ncharm-telemetry-core = {{ path = \"{house}/charm-telemetry-core\" }}\n"
        );
        let home = AuthorHome::of("author-beside-the-house");
        write(&home.folder, &format!("path = \"{house}/image\""), "version = \"0.1\"", &patch);
        Self { home, reach: Reach::Nothing }
    }

    /// One that names the house as a repository of git, in these words of a `Cargo.toml`.
    pub fn of_git(house: &str) -> Self {
        let home = AuthorHome::of("author-of-git");
        write(&home.folder, house, house, "");
        Self { home, reach: Reach::Folders }
    }

    /// Runs its `xtask image` in one of its folders, without a network but with what earlier runs compiled.
    ///
    /// # Panics
    /// If cargo cannot be started.
    pub fn image(&self, at: &str, args: &[&str]) -> Output {
        let run = ["run", "--quiet", "--package", "xtask", "--", "image"];
        cargo(&self.home.folder.join(at), &[&run, args].concat(), self.reach)
    }
}

/// Has cargo look at everything that such a repository of somebody else depends on, as it is today: on this machine it is
/// then known to all.
///
/// # Panics
/// If cargo does not find it.
pub fn resolve_elsewhere(house: &str) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), house, house, "");
    let output = cargo(folder.path(), &["metadata", "--quiet", "--format-version", "1"], Reach::Folders);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn write(folder: &Path, image: &str, core: &str, more: &str) {
    let package = |name: &str, version: &str, needs: &str, place: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\n[dependencies]\n{needs} = {{ {place} }}\n"
        )
    };
    let put = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"sink\", \"xtask\"]\n";
    put("Cargo.toml", &format!("{workspace}{more}"));
    put("xtask/Cargo.toml", &package("xtask", "0.0.0", "charm-telemetry-image", image));
    put("xtask/src/main.rs", XTASK);
    put("sink/Cargo.toml", &package("sink", "1.2.3", "charm-telemetry-core", core));
    put("sink/src/lib.rs", SINK);
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

fn cargo(folder: &Path, args: &[&str], reach: Reach) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).env("CARGO_HTTP_PROXY", "http://127.0.0.1:9").env("CARGO_NET_RETRY", "0");
    command.env("CARGO_NET_OFFLINE", matches!(reach, Reach::Nothing).to_string());
    command.current_dir(folder);
    command.env("CARGO_TARGET_DIR", root().join("target/image-test/author")).output().unwrap()
}

const XTASK: &str = "fn main() -> std::process::ExitCode {\n    charm_telemetry_image::main_with(&[(\"sink\", \"sink\")])\n}\n";

const SINK: &str = "//! A sink.\nuse charm_telemetry_core::{TelemetryExporter, charm_exporter};\n\n/// A sink.\n\
    #[charm_exporter(\"sink\")]\npub struct Sink;\n\nimpl TelemetryExporter for Sink {}\n";
