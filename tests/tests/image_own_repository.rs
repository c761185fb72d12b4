//! Exporters of third parties, from nothing: the scaffold, and the command in a repository of their own.
//!
//! Rule: what is written is used at once, as its author would: tested, and compiled into an image.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use charm_telemetry_tests::image::{
    AuthorHome, AuthorRepository, HouseInGit, image, resolve_elsewhere, root,
};
use serde_json::Value;

/// Cargo in a folder, with what this workspace has compiled and without a network.
fn cargo(folder: &Path, args: &[&str]) -> Output {
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(folder).env("CARGO_NET_OFFLINE", "true");
    command.env("CARGO_TARGET_DIR", root().join("target/image-test/author")).output().unwrap()
}

fn scaffold(name: &str, folder: &Path) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--", "new-exporter", name, "--path"]).arg(folder);
    command.current_dir(root()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_new_exporter_has_the_files_of_the_house_and_green_tests_and_goes_into_an_image() {
    let home = AuthorHome::of("scaffold");
    let folder = home.folder.join("sink");
    let said = scaffold("my-sink", &folder);
    assert!(said.status.success(), "{}", text(&said.stderr));
    for file in
        ["lib.rs", "encode.rs", "request.rs", "classify.rs", "exporter.rs", "tests.rs", "tests/data/run.json"]
    {
        let source = fs::read_to_string(folder.join("src").join(file)).unwrap();
        assert!(file.contains("data/") || source.starts_with("//! "), "{file} says what it is for");
        assert!(!source.contains('@'), "{file} is filled in");
    }
    let tests = cargo(&folder, &["test", "--quiet"]);
    let said = text(&tests.stdout);
    assert!(tests.status.success() && said.contains("3 passed"), "{said}{}", text(&tests.stderr));
    assert!(!text(&tests.stderr).contains("charm-exporter-my-sink` (lib) generated"), "without a warning");
    let with = format!("charm-exporter-my-sink={}", folder.display());
    let output = format!("oci:{}", home.folder.join("image").display());
    let report = image(["--with", &with, "--output", &output, "--json"], &[]).json();
    assert_eq!(report["exporters"][0]["name"], "my-sink");
}

#[test]
fn a_bad_name_or_a_taken_folder_is_told() {
    let home = tempfile::tempdir().unwrap();
    let said = scaffold("My Sink", &home.path().join("sink"));
    assert!(!said.status.success());
    assert!(text(&said.stderr).contains("beginning with a letter; try `my-sink`"), "{}", text(&said.stderr));
    let said = scaffold("my-sink", home.path());
    assert!(
        text(&said.stderr).contains("is there already; choose another folder with `--path DIR`"),
        "{}",
        text(&said.stderr)
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

/// The crate of the runner, as the command in a repository wrote it.
struct GeneratedCrate {
    folder: PathBuf,
    metadata: Value,
}

impl GeneratedCrate {
    fn of(said: &Output) -> Self {
        assert!(said.status.success(), "{}", text(&said.stderr));
        let folder = PathBuf::from(text(&said.stdout).trim());
        let mut command = Command::new("cargo");
        command.args(["metadata", "--format-version", "1", "--offline", "--locked"]).current_dir(&folder);
        let output = command.output().unwrap();
        let metadata = serde_json::from_slice(&output.stdout).expect("cargo understands it as it is");
        Self { folder, metadata }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// The sources of all packages of this name.
    fn sources(&self, name: &str) -> Vec<String> {
        let packages = self.metadata["packages"].as_array().unwrap();
        let named = packages.iter().filter(|package| package["name"] == name);
        named.map(|package| package["source"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

const QUICK: [&str; 4] = ["--features", "none", "--lto", "off"];

#[test]
fn a_repository_of_its_own_has_the_command_with_three_lines_in_all_of_its_folders() {
    let home = tempfile::tempdir().unwrap();
    let repository = AuthorRepository::beside_the_house();
    for at in [".", "sink"] {
        let said = repository.image(at, &[&QUICK[..], &["--generate-only"]].concat());
        let generated = GeneratedCrate::of(&said);
        let main = generated.read("src/main.rs");
        assert!(main.contains("use sink as _;"), "{main}");
        assert_eq!(generated.sources("charm-telemetry-core").len(), 1);
        assert_eq!((generated.sources("charm-runner").len(), generated.sources("sink").len()), (1, 1));
    }
    let output = format!("oci:{}", home.path().join("image").display());
    let said = repository.image(".", &[&QUICK[..], &["--json", "--output", &output]].concat());
    assert!(said.status.success(), "{}", text(&said.stderr));
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    let sink = serde_json::json!([{ "name": "sink", "crate": "sink", "version": "1.2.3" }]);
    assert_eq!(report["exporters"], sink);
}

#[test]
fn a_repository_that_names_the_house_by_a_branch_of_git_has_the_runner_of_the_commit_in_its_lock_file() {
    let home = tempfile::tempdir().unwrap();
    let Some(house) = HouseInGit::on_branch("feature/x") else { return };
    let place = format!("git = \"{}\", branch = \"feature/x\"", house.url());
    let repository = AuthorRepository::of_git(&place);
    let first = house.head();
    let generate = [&QUICK[2..], &["--generate-only"]].concat();
    let generated =
        GeneratedCrate::of(&repository.image(".", &[&generate[..], &["--features", "none"]].concat()));
    let source = |commit: &str| format!("git+{}?branch=feature/x#{commit}", house.url());
    assert_eq!(generated.sources("charm-telemetry-core"), [source(&first)], "one core");
    assert_eq!(generated.sources("charm-runner"), [source(&first)]);
    // The branch moves on, and loses a feature; what the lock file says stays.
    let manifest = fs::read_to_string(root().join("charm-runner/Cargo.toml")).unwrap();
    let manifest = manifest.replace("\"otlp\"", "\"gone\"").replace("\notlp = ", "\ngone = ");
    house.commit_with("charm-runner/Cargo.toml", &manifest);
    resolve_elsewhere(&place);
    let manifest = home.path().join("charm.yaml");
    fs::write(&manifest, "runtime: {telemetry: [otlp, sink]}\n").unwrap();
    let manifest = manifest.display().to_string();
    let generated =
        GeneratedCrate::of(&repository.image(".", &[&generate[..], &["--manifest", &manifest]].concat()));
    assert_eq!(generated.sources("charm-telemetry-core"), [source(&first)]);
    assert_eq!(generated.sources("charm-runner"), [source(&first)]);
    let manifest = generated.read("Cargo.toml");
    assert!(manifest.contains("default-features = false, features = [\"otlp\"] }"), "{manifest}");
    let said = repository.image(".", &[&generate[..], &["--features", "otlq"]].concat());
    let error = text(&said.stderr);
    assert!(error.contains("`charm-runner` has no feature `otlq`; it has: datadog, delivery,"), "{error}");
}
