//! One commit, one image: wherever it is built.
//!
//! Rule: the second checkout is at another path, of another length, with a target folder of its own.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use charm_telemetry_tests::image::{BaseImage, image_at, root};

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

fn build(checkout: &Path, base: &Path, to: &Path) -> (Vec<u8>, String) {
    let output = format!("tar:{}", to.display());
    let base = format!("oci:{}", base.display());
    let with = format!("charm-telemetry-webhook={}", checkout.join("examples/exporters/webhook").display());
    let args = [
        "--lto",
        "off",
        "--features",
        "none",
        "--base",
        &base,
        "--with",
        &with,
        "--tag",
        "a/b:1",
        "--output",
        &output,
        "--print-digest",
    ];
    let target = checkout.join("target").display().to_string();
    let said = image_at(checkout, args, &[("CARGO_TARGET_DIR", target.as_str())]);
    assert!(said.success, "{}", said.stderr);
    (fs::read(to).unwrap(), said.stdout)
}

#[test]
fn two_checkouts_make_the_same_image_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let (here, digest) = build(root(), &base, &folder.path().join("here.tar"));
    let (there, other_digest) = build(&other_checkout(), &base, &folder.path().join("there.tar"));
    assert_eq!(digest, other_digest);
    assert!(here == there, "the files differ although the digests are the same");
    let place = root().to_string_lossy();
    let has_path = |bytes: &[u8]| bytes.windows(place.len()).any(|window| window == place.as_bytes());
    let runner = fs::read(root().join(BINARY));
    assert!(!has_path(&runner.expect("the runner was built there")), "the binary names this checkout");
}

const BINARY: &str = "target/charm-image/runner/target/x86_64-unknown-linux-gnu/release/charm-runner-image";
