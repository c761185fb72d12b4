//! Exporters of third parties, from nothing: the scaffold, and the command in a repository of their own.
//!
//! Rule: what is written is used at once, as its author would: tested, and compiled into an image.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use charm_telemetry_tests::image::{image, root};
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
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sink");
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
    let output = format!("oci:{}", home.path().join("image").display());
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

/// A repository with an exporter and an `xtask` of three lines.
fn repository(home: &Path) -> PathBuf {
    let repository = home.join("repository");
    let write = |path: &str, text: &str| {
        let path = repository.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let house = root().display();
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"sink\", \"xtask\"]\n");
    write(
        "xtask/Cargo.toml",
        &format!(
            "[package]\nname = \"xtask\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             charm-telemetry-image = {{ path = \"{house}/image\" }}\n"
        ),
    );
    write(
        "xtask/src/main.rs",
        "fn main() -> std::process::ExitCode {\n    charm_telemetry_image::main_with(&[(\"sink\", \"sink\")])\n}\n",
    );
    write(
        "sink/Cargo.toml",
        "[package]\nname = \"sink\"\nversion = \"1.2.3\"\nedition = \"2024\"\n\n[dependencies]\n\
         charm-telemetry-core = \"0.1\"\n",
    );
    write(
        "sink/src/lib.rs",
        "//! A sink.\nuse charm_telemetry_core::{TelemetryExporter, charm_exporter};\n\n/// A sink.\n\
         #[charm_exporter(\"sink\")]\npub struct Sink;\n\nimpl TelemetryExporter for Sink {}\n",
    );
    // Until the crates are in the registry, the repository says where they are.
    let patch = format!(
        "\n[patch.crates-io]\ncharm-telemetry-core = {{ path = \"{house}/charm-telemetry-core\" }}\n"
    );
    let manifest = fs::read_to_string(repository.join("Cargo.toml")).unwrap();
    write("Cargo.toml", &(manifest + &patch));
    repository
}

#[test]
fn a_repository_of_its_own_has_the_command_with_three_lines() {
    let home = tempfile::tempdir().unwrap();
    let repository = repository(home.path());
    let args = ["--features", "none", "--lto", "off", "--generate-only"];
    let run = ["run", "--quiet", "--package", "xtask", "--", "image"];
    let said = cargo(&repository, &[&run[..], &args].concat());
    assert!(said.status.success(), "{}", text(&said.stderr));
    let generated = PathBuf::from(text(&said.stdout).trim());
    let main = fs::read_to_string(generated.join("src/main.rs")).unwrap();
    assert!(main.contains("use sink as _;"), "{main}");
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(&generated)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let names: Vec<_> =
        metadata["packages"].as_array().unwrap().iter().map(|package| &package["name"]).collect();
    assert_eq!(names.iter().filter(|name| **name == "charm-telemetry-core").count(), 1);
    assert!(names.iter().any(|name| **name == "charm-runner") && names.iter().any(|name| **name == "sink"));
}
