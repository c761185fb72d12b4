//! Which exporters are compiled in, and how a wrong one is told.
//!
//! Rule: an exporter that was asked for is in the image, or there is no image.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;

use charm_telemetry_tests::image::{CrateRegistry, ExporterCrate, Said, image};
use serde_json::{Value, json};

/// Builds an image with these arguments into a folder that is gone afterwards.
fn build(args: &[&str], env: &[(&str, &str)]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("image");
    let output = format!("oci:{}", place.display());
    let said = image(args.iter().copied().chain(["--json", "--output", &output]), env);
    assert_eq!(place.exists(), said.success, "there is an image only if it succeeded");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, usize::from(said.success), "nothing else is left");
    said
}

/// The exporters of an image: their names.
fn names(report: &Value) -> Vec<&str> {
    report["exporters"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn the_vendors_that_are_named_are_compiled_in_and_no_other() {
    let report = build(&["--features", "datadog,sentry"], &[]).json();
    assert_eq!(names(&report), ["datadog", "sentry"]);
}

#[test]
fn the_vendors_that_a_manifest_names_are_compiled_in_and_its_image_is_the_tag() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("charm.yaml");
    let text = "runtime:\n  telemetry: [sentry, otlp, counter]\n  custom_image: ghcr.io/team/agent:7\n";
    fs::write(&manifest, text).unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    let at = manifest.display().to_string();
    let report = build(&["--manifest", &at, "--with", &mine.with()], &[]).json();
    assert_eq!(names(&report), ["counter", "otlp", "sentry"]);
    assert_eq!(report["tags"], json!(["ghcr.io/team/agent:7"]));
}

#[test]
fn a_name_that_a_vendor_has_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "sentry");
    let said = build(&["--features", "otlp,sentry", "--with", &mine.with()], &[]);
    let error = said.error();
    assert!(error.starts_with("the built runner refuses its exporters: "), "{error}");
    assert!(error.contains("two exporters are registered as `sentry`: charm_telemetry_sentry::Sentry and test_exporter::Counter"), "{error}");
}

#[test]
fn a_crate_of_a_folder_is_compiled_in() {
    let folder = tempfile::tempdir().unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    let report = build(&["--with", &mine.with()], &[]).json();
    let expected = json!([{ "name": "counter", "crate": "test-exporter", "version": "0.3.1" }]);
    assert_eq!(report["exporters"], expected);
}

#[test]
fn a_crate_whose_library_has_another_name_is_compiled_in() {
    let folder = tempfile::tempdir().unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    mine.replace("Cargo.toml", "[dependencies]", "[lib]\nname = \"other_name\"\n\n[dependencies]");
    let report = build(&["--with", &mine.with()], &[]).json();
    let expected = json!([{ "name": "counter", "crate": "test-exporter", "version": "0.3.1" }]);
    assert_eq!(report["exporters"], expected);
}

#[test]
fn a_crate_that_knows_its_neighbour_by_path_is_compiled_in() {
    let folder = tempfile::tempdir().unwrap();
    let helper =
        ExporterCrate::with_source(folder.path(), "test-helper", "//! Helps.\npub const STEP: u64 = 1;\n");
    let mine = ExporterCrate::sound(&folder.path().join("exporters"), "test-exporter", "counter");
    mine.replace(
        "Cargo.toml",
        "[dependencies]\n",
        &format!("[dependencies]\n{} = {{ path = \"../../test-helper\" }}\n", helper.name),
    );
    mine.replace("src/lib.rs", "+= 1", "+= test_helper::STEP");
    let report = build(&["--with", &mine.with()], &[]).json();
    assert_eq!(report["exporters"][0]["name"], "counter");
}

#[test]
fn a_crate_of_a_registry_is_compiled_in() {
    let folder = tempfile::tempdir().unwrap();
    let published = ExporterCrate::sound(folder.path(), "test-published-exporter", "published");
    let registry = CrateRegistry::with(&published, &["0.3.1"]);
    let index = registry.index();
    let args = ["--with", "test-published-exporter@0.3.1", "--registry", "loopback"];
    let report = build(&args, &[("CARGO_REGISTRIES_LOOPBACK_INDEX", index.as_str())]).json();
    let expected = json!([{ "name": "published", "crate": "test-published-exporter", "version": "0.3.1" }]);
    assert_eq!(report["exporters"], expected);
}

#[test]
fn a_crate_of_a_registry_is_the_newest_the_newest_that_fits_or_exactly_the_one() {
    let folder = tempfile::tempdir().unwrap();
    let published = ExporterCrate::sound(folder.path(), "test-published-exporter", "published");
    let registry = CrateRegistry::with(&published, &["0.3.1", "0.3.2", "0.4.0"]);
    let index = registry.index();
    // The folder of the generated crate is everybody's; a lock file of one's own is not.
    let generated = |with: &str, lock: &str| {
        let lock = folder.path().join(lock);
        let lock_arg = lock.display().to_string();
        let args = ["--with", with, "--registry", "loopback", "--generate-only", "--lock", &lock_arg];
        let said = image(args, &[("CARGO_REGISTRIES_LOOPBACK_INDEX", index.as_str())]);
        assert!(said.success, "{}", said.stderr);
        let lock = fs::read_to_string(lock).unwrap();
        let at =
            lock.split("name = \"test-published-exporter\"\nversion = \"").nth(1).expect("it is in there");
        at.split('"').next().unwrap().to_owned()
    };
    for (with, expected) in [
        ("test-published-exporter", "0.4.0"),
        ("test-published-exporter@0.3", "0.3.2"),
        ("test-published-exporter@0.3.1", "0.3.1"),
        ("test-published-exporter@^0.3.1", "0.3.2"),
    ] {
        assert_eq!(generated(with, &format!("{with}.lock")), expected, "{with}");
    }
    let kept = "test-published-exporter@0.3.1.lock";
    assert_eq!(generated("test-published-exporter", kept), "0.3.1", "what a lock file says stays");
}

#[test]
fn a_crate_that_registers_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = ExporterCrate::with_source(folder.path(), "test-empty", "//! Nothing.\n");
    let said = build(&["--with", &empty.with()], &[]);
    let expected = "`--with test-empty` registers no exporter: put `#[charm_exporter(\"name\")]` on a struct of it, and `mod` its file in `lib.rs`";
    assert!(said.error().starts_with(expected), "{}", said.error());
}

#[test]
fn a_crate_for_another_core_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let core = ExporterCrate::with_source(folder.path(), "charm-telemetry-core", "//! Another.\n");
    core.replace("Cargo.toml", "0.3.1", "9.0.0");
    core.replace("Cargo.toml", "charm-telemetry-core = \"0.1\"\n", "");
    let mine = ExporterCrate::with_source(folder.path(), "test-exporter", "//! For another core.\n");
    mine.replace("Cargo.toml", "\"0.1\"", "{ path = \"../charm-telemetry-core\" }");
    let said = build(&["--with", &mine.with()], &[]);
    let error = said.error();
    assert!(error.starts_with("more than one `charm-telemetry-core` would be compiled in"), "{error}");
    assert!(error.contains("charm-telemetry-core 9.0.0 is used by `test-exporter`"), "{error}");
    assert!(!said.stderr.contains("Compiling"), "it is told before anything is compiled");
    mine.replace("Cargo.toml", "{ path = \"../charm-telemetry-core\" }", "\"9\"");
    let said = build(&["--with", &mine.with()], &[("CARGO_NET_OFFLINE", "true")]);
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("`test-exporter` is for `charm-telemetry-core` ^9, and the runner has {version};");
    assert!(said.error().starts_with(&expected), "{}", said.error());
}

#[test]
fn a_crate_that_does_not_compile_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let broken = ExporterCrate::sound(folder.path(), "test-broken", "counter");
    broken.replace("src/lib.rs", "+= 1", "+= \"one\"");
    let said = build(&["--with", &broken.with()], &[]);
    assert!(
        said.error()
            .starts_with("`test-broken` does not compile; cargo says why; correct it or leave it out"),
        "{}",
        said.error()
    );
    assert!(said.stderr.contains("src/lib.rs:12:"), "cargo's own words are shown: {}", said.stderr);
    let quiet = build(&["--quiet", "--with", &broken.with()], &[]);
    assert!(quiet.error().contains("src/lib.rs:12:"), "also if the progress is not: {}", quiet.stderr);
}

#[test]
fn two_exporters_of_one_name_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let one = ExporterCrate::sound(folder.path(), "test-one", "counter");
    let other = ExporterCrate::sound(folder.path(), "test-other", "counter");
    let said = build(&["--with", &one.with(), "--with", &other.with()], &[]);
    let error = said.error();
    assert!(error.starts_with("the built runner refuses its exporters: "), "{error}");
    assert!(
        error
            .contains("two exporters are registered as `counter`: test_one::Counter and test_other::Counter"),
        "{error}"
    );
}

#[test]
fn what_a_manifest_asks_for_and_nobody_brings_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("charm.yaml");
    fs::write(&manifest, "runtime:\n  telemetry: [counter, absent]\n").unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    let said = build(&["--manifest", &manifest.display().to_string(), "--with", &mine.with()], &[]);
    assert_eq!(
        said.error(),
        "no exporter `absent` is compiled in, and the manifest's `runtime.telemetry` names it: bring its crate with `--with`\n\
         compiled in: counter"
    );
}

#[test]
fn a_wrong_wish_is_refused_before_anything_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    let twice = mine.with();
    let wrong_name = format!("other={}", mine.folder.display());
    let a_file = format!("{}/src/lib.rs", mine.with());
    let program = ExporterCrate::sound(folder.path(), "test-program", "program");
    fs::rename(program.folder.join("src/lib.rs"), program.folder.join("src/main.rs")).unwrap();
    let program = program.with();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\nmembers = [\"test-*\"]\n").unwrap();
    let virtual_one = format!("all={}", folder.path().display());
    for (args, expected) in [
        (
            vec!["--with", &program],
            "`--with test-program`: that crate has no library; an exporter is a library",
        ),
        (
            vec!["--with", &virtual_one],
            "that folder holds no package; name the folder of the crate's `Cargo.toml`",
        ),
        (vec!["--with", "absent=/nonexistent"], "`--with absent=/nonexistent`: there is no such folder"),
        (vec!["--with", &a_file], "is a file; name the folder that has the crate's Cargo.toml"),
        (vec!["--with", &twice, "--with", &twice], "`--with test-exporter` is given twice"),
        (vec!["--with", &wrong_name], "the crate there is `test-exporter`; write `--with test-exporter="),
        (
            vec!["--platform", "linux/arm64"],
            "cannot build for `linux/arm64`: the toolchain has no standard library for",
        ),
        (
            vec!["--manifest", "/nonexistent"],
            "`/nonexistent`: no such file or directory; name a `charm.yaml`",
        ),
        (vec!["--push"], "`--push` needs a name for the image; add `--tag NAME`"),
    ] {
        let said = build(&args, &[]);
        assert!(said.error().contains(expected), "{args:?}: {}", said.error());
        assert!(!said.stderr.contains("Compiling"), "{args:?}");
    }
    for epoch in ["yesterday", "-1", "1.5", "253402300800"] {
        let said = build(&[], &[("SOURCE_DATE_EPOCH", epoch)]);
        let expected =
            format!("SOURCE_DATE_EPOCH is `{epoch}`; set it to whole seconds since 1970, as `git log");
        assert!(said.error().starts_with(&expected), "{}", said.error());
    }
}

#[test]
fn an_unknown_feature_is_refused_with_those_that_there_are() {
    let args = ["--features", "datadgo", "--output", "oci:/nonexistent/image"];
    let said = charm_telemetry_tests::image::image_at(charm_telemetry_tests::image::root(), args, &[]);
    let expected = "`charm-runner` has no feature `datadgo`; it has: datadog, delivery, langsmith, otlp, sentry; \
                    an exporter of your own goes in by `--with`";
    assert_eq!(said.error(), expected);
}

#[test]
fn the_crate_of_the_runner_can_be_read_and_a_lock_file_fixes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    let lock = folder.path().join("image.lock");
    let lock_arg = lock.display().to_string();
    let with = mine.with();
    let args = ["--with", &with, "--lock", &lock_arg, "--generate-only"];
    // What is written where all write may be another's by the time it is read.
    let target = folder.path().join("target").display().to_string();
    let said = image(args, &[("CARGO_TARGET_DIR", &target)]);
    assert!(said.success, "{}", said.stderr);
    let generated = std::path::Path::new(said.stdout.trim());
    assert!(generated.starts_with(&target), "{}", generated.display());
    let main = fs::read_to_string(generated.join("src/main.rs")).unwrap();
    assert!(main.contains("use test_exporter as _;") && main.contains("charm_runner::main()"), "{main}");
    assert_eq!(fs::read(generated.join("Cargo.lock")).unwrap(), fs::read(&lock).unwrap());
    assert!(image(args, &[]).success, "the lock file that was written fits");
    let by_manifest = format!("{with}/Cargo.toml");
    let said = image(["--with", &by_manifest, "--lock", &lock_arg, "--generate-only"], &[]);
    assert!(said.success, "a crate is named by its manifest as well: {}", said.stderr);
    let other = ExporterCrate::sound(folder.path(), "test-other", "other");
    let said = image(["--with", &other.with(), "--lock", &lock_arg, "--generate-only"], &[]);
    assert!(said.error().contains("does not fit these exporters any more"), "{}", said.error());
}
