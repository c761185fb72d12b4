//! One commit, one image: wherever it is built.
//!
//! Rule: the second checkout is at another path, of another length, with a target folder of its own, and whoever builds
//! there has another home of cargo, another language, another clock and other habits.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use charm_telemetry_tests::image::{BaseImage, Layout, Said, image, image_at, image_by_a_careful_user, root};
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

/// A home of cargo with what was fetched into the usual one, kept between runs too. Sources are unpacked anew.
fn other_cargo_home() -> PathBuf {
    let usual = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = usual.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo"));
    let home = root().join("target/image-test/another home of cargo");
    fs::create_dir_all(home.join("registry")).unwrap();
    for (kind, how) in [("cache", "-al"), ("index", "-a")] {
        let to = home.join("registry").join(kind);
        // What was fetched since the last run would be missing.
        let _ = fs::remove_dir_all(&to);
        let copied = Command::new("cp").arg(how).arg(usual.join("registry").join(kind)).arg(&to).status();
        assert!(copied.unwrap().success(), "the registry's {kind} can be copied");
    }
    // It may say where the registry is.
    if let Ok(config) = fs::read(usual.join("config.toml")) {
        fs::write(home.join("config.toml"), config).unwrap();
    }
    home
}

/// How the command is run: folder, arguments, environment.
type Run = fn(&Path, &[&str], &[(&str, &str)]) -> Said;

/// The default image, all vendors' exporters and the default optimisation, with one of a third party beside them.
fn build(run: Run, checkout: &Path, base: &Path, to: &Path, env: &[(&str, &str)]) -> (Vec<u8>, Value) {
    let output = format!("tar:{}", to.display());
    let base = format!("oci:{}", base.display());
    let with = format!("charm-telemetry-webhook={}", checkout.join("examples/exporters/webhook").display());
    let args = ["--base", &base, "--with", &with, "--tag", "a/b:1", "--output", &output, "--json"];
    let target = checkout.join("target").display().to_string();
    let env = [&[("CARGO_TARGET_DIR", target.as_str())], env].concat();
    let said = run(checkout, &args, &env);
    assert!(said.success, "{}", said.stderr);
    (fs::read(to).unwrap(), said.json())
}

#[test]
fn two_checkouts_make_the_same_image_of_all_vendors_exporters_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let usual = |folder: &Path, args: &[&str], env: &[(&str, &str)]| image_at(folder, args, env);
    let (here, report) = build(usual, root(), &base, &folder.path().join("here.tar"), &[]);
    let names: Vec<_> = report["exporters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(
        names,
        ["datadog", "langsmith", "otlp", "sentry", "webhook"],
        "without a wish all vendors are in"
    );
    let runner = fs::read(root().join(BINARY)).expect("the runner was built there");
    let careful =
        |folder: &Path, args: &[&str], env: &[(&str, &str)]| image_by_a_careful_user(folder, args, env);
    let home = other_cargo_home().display().to_string();
    let env = other_habits(folder.path());
    let env = [vec![("CARGO_HOME", home.as_str())], pairs(&env)].concat();
    let (there, other_report) =
        build(careful, &other_checkout(), &base, &folder.path().join("there.tar"), &env);
    let sources = Path::new(&home).join("registry/src");
    assert!(sources.is_dir(), "the other home was not used");
    for key in ["digest", "image_id", "layers", "binary_size", "crates"] {
        assert_eq!(report[key], other_report[key], "{key}");
    }
    assert!(here == there, "the files differ although the digests are the same");
    let user = std::env::var("HOME").unwrap();
    for place in [root().to_string_lossy().as_ref(), user.as_str(), "/.cargo/"]
        .into_iter()
        .filter(|place| place.len() > 1)
    {
        let names_it = runner.windows(place.len()).any(|window| window == place.as_bytes());
        assert!(!names_it, "the binary names `{place}`");
    }
}

/// What a person on another machine has set.
fn other_habits(folder: &Path) -> [(&'static str, String); 8] {
    let temporary = folder.join("temporary files of somebody else");
    fs::create_dir_all(&temporary).unwrap();
    [
        ("TMPDIR", temporary.display().to_string()),
        ("LC_ALL", "tr_TR.UTF-8".to_owned()),
        ("LANG", "tr_TR.UTF-8".to_owned()),
        ("TZ", "Asia/Kathmandu".to_owned()),
        ("RUSTFLAGS", "-Copt-level=1".to_owned()),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1".to_owned()),
        ("CFLAGS", "-O0".to_owned()),
        ("CFLAGS_x86_64_unknown_linux_gnu", "-O0".to_owned()),
    ]
}

fn pairs<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    env.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn neither_the_temporary_folder_nor_umask_language_clock_or_flags_are_in_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let outputs =
        |name: &str| [format!("oci:{}", at(name).display()), format!("tar:{}.tar", at(name).display())];
    let args = |[oci, tar]: [String; 2]| {
        ["--tag", "a/b:1", "--output", &oci, "--output", &tar, "--label", "z=1", "--label", "a=2"]
            .map(str::to_owned)
    };
    assert!(image(args(outputs("mine")), &[]).success);
    let habits = other_habits(folder.path());
    let quick = ["--lto", "off", "--features", "none"].map(str::to_owned);
    let said = image_by_a_careful_user(root(), quick.iter().chain(&args(outputs("theirs"))), &pairs(&habits));
    assert!(said.success, "{}", said.stderr);
    let [mine, theirs] = ["mine", "theirs"].map(|name| Layout::read(&at(name)));
    assert_eq!(mine.digest, theirs.digest, "{}\n{}", mine.config, theirs.config);
    let [mine, theirs] = ["mine.tar", "theirs.tar"].map(|name| fs::read(at(name)).unwrap());
    assert!(mine == theirs, "the archives differ although the digests are the same");
}

const BINARY: &str = "target/charm-image/runner/target/x86_64-unknown-linux-gnu/release/charm-runner-image";
