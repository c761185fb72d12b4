//! A repository as a third party has it: an exporter, and an `xtask` of three lines.
//!
//! Rule: it knows the house as its author would: by folder, or as a repository of git.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use charm_telemetry_image::Digest;

use crate::workspace::root;

/// A repository with the exporter `sink`.
#[derive(Debug)]
pub struct AuthorRepository {
    /// Where it is.
    pub folder: PathBuf,
}

impl AuthorRepository {
    /// One that names the house by its folder, as long as nothing of it is in a registry.
    pub fn beside_the_house(home: &Path) -> Self {
        let house = root().display();
        let patch = format!(
            "\n[patch.crates-io]\ncharm-telemetry-core = {{ path = \"{house}/charm-telemetry-core\" }}\n"
        );
        Self::write(home, &format!("path = \"{house}/image\""), "version = \"0.1\"", &patch)
    }

    /// One that names the house as a repository of git, in these words of a `Cargo.toml`.
    pub fn of_git(home: &Path, house: &str) -> Self {
        Self::write(home, house, house, "")
    }

    fn write(home: &Path, image: &str, core: &str, more: &str) -> Self {
        let repository = Self { folder: home.join("repository") };
        let package = |name: &str, version: &str, needs: &str, place: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\n[dependencies]\n{needs} = {{ {place} }}\n"
            )
        };
        let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"sink\", \"xtask\"]\n";
        repository.put("Cargo.toml", &format!("{workspace}{more}"));
        repository.put("xtask/Cargo.toml", &package("xtask", "0.0.0", "charm-telemetry-image", image));
        repository.put("xtask/src/main.rs", XTASK);
        repository.put("sink/Cargo.toml", &package("sink", "1.2.3", "charm-telemetry-core", core));
        repository.put("sink/src/lib.rs", SINK);
        fs::copy(root().join("Cargo.lock"), repository.folder.join("Cargo.lock")).unwrap();
        repository
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Has cargo look at everything that it depends on, as it is today.
    ///
    /// # Panics
    /// If cargo does not find it.
    pub fn resolve(&self) {
        let output = self.cargo(".", &["metadata", "--quiet", "--format-version", "1"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs its `xtask image` in one of its folders, without a network but with what earlier runs compiled.
    ///
    /// # Panics
    /// If cargo cannot be started.
    pub fn image(&self, at: &str, args: &[&str]) -> Output {
        self.cargo(at, &[&["run", "--quiet", "--package", "xtask", "--", "image"], args].concat())
    }

    fn cargo(&self, at: &str, args: &[&str]) -> Output {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(args);
        // It may fetch from a folder, and nothing from anywhere else.
        command.env("CARGO_HTTP_PROXY", "http://127.0.0.1:9").env("CARGO_NET_RETRY", "0");
        command.current_dir(self.folder.join(at));
        command.env("CARGO_TARGET_DIR", root().join("target/image-test/author")).output().unwrap()
    }
}

const XTASK: &str = "fn main() -> std::process::ExitCode {\n    charm_telemetry_image::main_with(&[(\"sink\", \"sink\")])\n}\n";

const SINK: &str = "//! A sink.\nuse charm_telemetry_core::{TelemetryExporter, charm_exporter};\n\n/// A sink.\n\
    #[charm_exporter(\"sink\")]\npub struct Sink;\n\nimpl TelemetryExporter for Sink {}\n";

/// This workspace as a repository of git. What cargo keeps of it is removed when it is dropped.
#[derive(Debug)]
pub struct HouseInGit {
    folder: PathBuf,
    name: String,
}

impl HouseInGit {
    /// With all files as they are now on a branch. The path is always the same one, so that cargo knows what it has
    /// compiled already.
    ///
    /// # Panics
    /// If git cannot.
    pub fn on_branch(branch: &str) -> Self {
        let place = Digest::of(root().as_os_str().as_encoded_bytes());
        let name = format!("charm-test-house-{}", &place.hex()[..8]);
        let house = Self { folder: root().join("target/image-test").join(&name), name };
        house.forget();
        fs::create_dir_all(&house.folder).unwrap();
        house.git(&["init", "--quiet", "--initial-branch", branch]);
        house.commit("as it is");
        house
    }

    /// One more commit on the branch, in which nothing changed.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all", "--", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// The newest commit.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// # Panics
    /// If it fails.
    fn git(&self, args: &[&str]) -> String {
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        let mut git = Command::new("git");
        git.arg("--git-dir")
            .arg(&self.folder)
            .arg("--work-tree")
            .arg(root())
            .args(who)
            .args(args)
            .current_dir(root());
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn forget(&self) {
        let _ = fs::remove_dir_all(&self.folder);
        let kept = super::crates::cargo_home().into_iter().flat_map(|home| {
            ["db", "checkouts"]
                .into_iter()
                .filter_map(move |kind| fs::read_dir(home.join("git").join(kind)).ok())
        });
        for entry in kept.flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.name) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for HouseInGit {
    fn drop(&mut self) {
        self.forget();
    }
}
