//! One commit, one image: wherever it is built.
//!
//! Rule: the second checkout is at another path, of another length, with a target folder of its own.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use charm_telemetry_tests::image::{BaseImage, image_at, root};
use serde_json::Value;

/// A copy of every file of this workspace that git knows or would take, kept between runs so that only the first
/// compiles everything.
fn other_checkout() -> PathBuf {
    let copy = root().join("target/image-test/another checkout of a longer name");
    let list = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(list.status.success(), "the workspace is a checkout of git");
    let names = String::from_utf8(list.stdout).unwrap();
    for name in names.split_terminator('\0') {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        // Only what changed, so that cargo compiles only that.
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(&to, bytes).unwrap();
        }
    }
    copy
}

/// The default image, all vendors' exporters and the default optimisation, with one of a third party beside them.
fn build(checkout: &Path, base: &Path, to: &Path) -> (Vec<u8>, Value) {
    let output = format!("tar:{}", to.display());
    let base = format!("oci:{}", base.display());
    let with = format!("charm-telemetry-webhook={}", checkout.join("examples/exporters/webhook").display());
    let args = ["--base", &base, "--with", &with, "--tag", "a/b:1", "--output", &output, "--json"];
    let target = checkout.join("target").display().to_string();
    let said = image_at(checkout, args, &[("CARGO_TARGET_DIR", target.as_str())]);
    (fs::read(to).unwrap(), said.json())
}

#[test]
fn two_checkouts_make_the_same_image_of_all_vendors_exporters_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let (here, report) = build(root(), &base, &folder.path().join("here.tar"));
    let names: Vec<_> = report["exporters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(
        names,
        ["datadog", "langsmith", "otlp", "sentry", "webhook"],
        "without a wish all vendors are in"
    );
    let runner = fs::read(root().join(BINARY)).expect("the runner was built there");
    let (there, other_report) = build(&other_checkout(), &base, &folder.path().join("there.tar"));
    for key in ["digest", "image_id", "layers", "binary_size", "crates"] {
        assert_eq!(report[key], other_report[key], "{key}");
    }
    assert!(here == there, "the files differ although the digests are the same");
    let home = std::env::var("HOME").unwrap();
    for place in [root().to_string_lossy().as_ref(), home.as_str(), "/.cargo/"]
        .into_iter()
        .filter(|place| place.len() > 1)
    {
        let names_it = runner.windows(place.len()).any(|window| window == place.as_bytes());
        assert!(!names_it, "the binary names `{place}`");
    }
}

const BINARY: &str = "target/charm-image/runner/target/x86_64-unknown-linux-gnu/release/charm-runner-image";
