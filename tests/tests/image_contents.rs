//! What is in an image, and what it says of itself.
//!
//! Rule: images are read back from what was written, with other programs where there are some.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use charm_telemetry_tests::image::{BaseImage, Layout, image};
use charm_telemetry_tests::{python_tool, requires};
use serde_json::{Value, json};

fn output(folder: &Path) -> String {
    format!("oci:{}", folder.display())
}

#[test]
fn on_nothing_there_is_the_runner_under_two_names_and_a_list_of_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("image");
    let report = image(["--output", &output(&at), "--json"], &[]).json();
    let layout = Layout::read(&at);
    assert_eq!(report["digest"], layout.digest);
    assert_eq!(report["image_id"], layout.manifest["config"]["digest"]);
    assert_eq!(layout.layers(), 2);
    let system: Vec<_> = layout.layer(0).into_iter().collect();
    let expected = [
        ("etc/", "drwxr-xr-x 0/0 1970-01-01 00:00"),
        ("etc/group", "-rw-r--r-- 0/0 1970-01-01 00:00"),
        ("etc/passwd", "-rw-r--r-- 0/0 1970-01-01 00:00"),
        ("opt/", "drwxr-xr-x 0/0 1970-01-01 00:00"),
        ("tmp/", "drwxrwxrwt 0/0 1970-01-01 00:00"),
        ("work/", "drwxrwxrwt 0/0 1970-01-01 00:00"),
    ];
    assert_eq!(system, expected.map(|(path, rest)| (path.to_owned(), rest.to_owned())));
    let runner = layout.layer(1);
    assert_eq!(runner.keys().collect::<Vec<_>>(), RUNNER_FILES);
    let all_may_enter = |name: &&str| runner[*name].starts_with("drwxr-xr-x 0/0 ");
    assert!(RUNNER_FILES.iter().filter(|name| name.ends_with('/')).all(all_may_enter), "{runner:?}");
    assert_eq!(
        interpreter(&layout.file(1, "opt/charm/bin/charm-runner")),
        None,
        "it needs nothing of the system"
    );
    let config = &layout.config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Cmd"], json!(["charm", "run", "."]));
    assert_eq!(
        config["Env"][0],
        "PATH=/opt/charm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
}

/// The loader that a program of 64 bits names, by the table of its segments; a static one names none.
fn interpreter(program: &[u8]) -> Option<String> {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, width: usize| {
        let bytes = program[at..at + width].iter().rev();
        bytes.fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
    };
    let place = |at: usize, width: usize| usize::try_from(number(at, width)).unwrap();
    assert_eq!(&program[..6], b"\x7fELF\x02\x01", "a program of 64 bits, little end first");
    let (table, width, count) = (place(0x20, 8), place(0x36, 2), place(0x38, 2));
    let at = (0..count).map(|entry| table + entry * width).find(|at| number(*at, 4) == PT_INTERP)?;
    let (from, length) = (place(at + 8, 8), place(at + 32, 8));
    Some(String::from_utf8_lossy(&program[from..from + length - 1]).into_owned())
}

#[test]
fn a_program_that_needs_a_loader_is_told_from_one_that_does_not() {
    let tool = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(interpreter(&tool).is_some_and(|loader| loader.starts_with("/lib")), "this test is one");
}

const RUNNER_FILES: [&str; 7] = [
    "opt/charm/",
    "opt/charm/bin/",
    "opt/charm/bin/charm -> charm-runner",
    "opt/charm/bin/charm-runner",
    "opt/charm/share/",
    "opt/charm/share/sbom/",
    SBOM,
];
const SBOM: &str = "opt/charm/share/sbom/charm-runner.cdx.json";

#[test]
fn on_a_base_there_is_one_more_layer_and_everything_of_the_base_stays() {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let at = folder.path().join("image");
    let report = image(["--base", &output(&base), "--output", &output(&at), "--json"], &[]).json();
    let (theirs, ours) = (Layout::read(&base), Layout::read(&at));
    assert_eq!(ours.layers(), 2);
    assert_eq!(ours.manifest["layers"][0], theirs.manifest["layers"][0]);
    // Not `opt/`: where the base has a link, a folder would take its place.
    assert_eq!(ours.layer(1).into_keys().collect::<Vec<_>>(), RUNNER_FILES);
    let (before, after) = (&theirs.config["config"], &ours.config["config"]);
    assert_eq!(after["User"], before["User"]);
    assert_eq!(after["Healthcheck"], before["Healthcheck"]);
    assert_eq!(after["Env"], json!(["A=1", "PATH=/opt/charm/bin:/usr/bin:/bin"]));
    assert_eq!(after["Labels"]["team"], "a");
    assert_eq!(after["Labels"]["org.opencontainers.image.title"], "charm-runner");
    assert_eq!(ours.manifest["annotations"]["org.opencontainers.image.title"], "charm-runner");
    assert_eq!(ours.manifest["annotations"]["org.opencontainers.image.base.digest"], theirs.digest);
    // By these it describes itself, and nothing of ours takes their place.
    for key in ["org.opencontainers.image.source", "org.opencontainers.image.authors"] {
        assert!(before["Labels"].get(key).is_some() && theirs.manifest["annotations"].get(key).is_some());
        assert_eq!((after["Labels"].get(key), ours.manifest["annotations"].get(key)), (None, None), "{key}");
    }
    assert_eq!(report["base"]["digest"], theirs.digest);
    assert_eq!(report["layers"][0]["what"], "base");
}

#[test]
fn an_oci_base_is_described_anew_for_docker_and_has_no_annotations_then() {
    let folder = tempfile::tempdir().unwrap();
    let base = output(&BaseImage::default().write(&folder.path().join("base")));
    let at = folder.path().join("image");
    let args = ["--base", &base, "--format", "docker", "--output", &output(&at), "--json"];
    assert_eq!(image(args, &[]).json()["format"], "docker");
    let ours = Layout::read(&at);
    assert_eq!(ours.manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    let types: Vec<_> =
        ours.manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["mediaType"]).collect();
    assert_eq!(types, ["application/vnd.docker.image.rootfs.diff.tar.gzip"; 2]);
    let said = image(args.into_iter().chain(["--annotation", "note=x"]), &[]);
    let expected =
        "`--annotation note=..`: a Docker manifest has no annotations; use `--format oci`, or `--label`";
    assert_eq!(said.error(), expected);
    assert!(!said.stderr.contains("compile it"), "it is told before that: {}", said.stderr);
}

#[test]
fn what_the_command_line_says_is_in_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("image");
    let args = [
        "--label",
        "team=b",
        "--label",
        "org.opencontainers.image.title=mine",
        "--annotation",
        "note=x=y",
        "--env",
        "MODE=fast",
        "--user",
        "1000:1000",
        "--entrypoint",
        "charm run",
        "--tag",
        "a/b:1",
        "--tag",
        "ghcr.io/c/d:2",
        "--print-digest",
        "--output",
    ];
    let said = image(args.into_iter().chain([output(&at).as_str()]), &[("SOURCE_DATE_EPOCH", "1700000000")]);
    let layout = Layout::read(&at);
    assert_eq!(said.stdout, format!("{}\n", layout.digest));
    let config = &layout.config["config"];
    assert_eq!(config["Labels"]["team"], "b");
    assert_eq!(config["Labels"]["org.opencontainers.image.title"], "mine");
    assert_eq!(layout.manifest["annotations"]["note"], "x=y");
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["Entrypoint"], json!(["charm", "run"]));
    assert!(config["Env"].as_array().unwrap().contains(&json!("MODE=fast")));
    assert_eq!(layout.config["created"], "2023-11-14T22:13:20Z");
    assert!(
        layout.layer(1).values().all(|entry| entry.ends_with("2023-11-14 22:13")),
        "{:?}",
        layout.layer(1)
    );
    let index: Value = serde_json::from_slice(&fs::read(at.join("index.json")).unwrap()).unwrap();
    let names: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|entry| &entry["annotations"]).collect();
    assert_eq!(names[0]["io.containerd.image.name"], "docker.io/a/b:1");
    assert_eq!(names[1]["io.containerd.image.name"], "ghcr.io/c/d:2");
}

#[test]
fn one_file_is_read_as_two_formats_and_a_layout_by_another_program() {
    let (Some(skopeo), Some(umoci)) = (requires::program("skopeo"), requires::program("umoci")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (at, tar) = (folder.path().join("image"), folder.path().join("image.tar"));
    let to_tar = format!("tar:{}", tar.display());
    let report =
        image(["--tag", "a/b:1", "--output", &output(&at), "--output", &to_tar, "--json"], &[]).json();
    let skopeo = |args: &[&str]| {
        let output = Command::new(&skopeo).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for source in [format!("oci-archive:{}", tar.display()), format!("oci:{}:1", at.display())] {
        let digest = skopeo(&["inspect", "--format", "{{.Digest}}", &source]);
        assert_eq!(digest.trim(), report["digest"], "{source}");
    }
    // Docker's format has another manifest, and the same configuration.
    let config =
        skopeo(&["inspect", "--config", "--raw", &format!("docker-archive:{}:a/b:1", tar.display())]);
    let layout = Layout::read(&at);
    assert_eq!(serde_json::from_str::<Value>(&config).unwrap(), layout.config);
    let bundle = folder.path().join("bundle");
    let unpacked = Command::new(umoci)
        .args(["unpack", "--image", &format!("{}:1", at.display())])
        .arg(&bundle)
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    assert!(bundle.join("rootfs/opt/charm/bin/charm-runner").is_file());
}

#[test]
fn the_list_of_contents_is_in_the_image_and_beside_the_file_and_names_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let (at, tar) = (folder.path().join("image"), folder.path().join("image.tar"));
    let to_tar = format!("tar:{}", tar.display());
    image(["--base", &output(&base), "--output", &output(&at), "--output", &to_tar, "--json"], &[]).json();
    let beside = fs::read(folder.path().join("image.cdx.json")).unwrap();
    assert_eq!(Layout::read(&at).file(1, SBOM), beside);
    let text = String::from_utf8(beside).unwrap();
    assert!(
        !text.contains("file://") && !text.contains("/home/") && !text.contains(env!("CARGO_MANIFEST_DIR"))
    );
    check_cyclonedx(&serde_json::from_str(&text).unwrap(), &Layout::read(&base).digest);
}

/// Reads a document on stdin, and prints what is wrong with it by the schema that the program carries.
const JUDGE: &str = r"
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read()))
";

fn judge(python: &Path, document: &Value) -> String {
    let mut child = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator has printed why");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_list_of_contents_obeys_the_schema_of_cyclonedx() {
    type Damage = fn(&mut Value);
    let Some(python) = python_tool::program("cyclonedx", "python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let tar = format!("tar:{}", folder.path().join("image.tar").display());
    let vendors = ["--features", "otlp,sentry"];
    let args = ["--base", &output(&base), "--output", &tar, "--json"];
    let report = image(vendors.iter().chain(&args), &[]).json();
    let document: Value =
        serde_json::from_slice(&fs::read(folder.path().join("image.cdx.json")).unwrap()).unwrap();
    assert_eq!(judge(&python, &document), "None");
    // The base is listed too.
    assert_eq!(
        document["components"].as_array().unwrap().len(),
        report["crates"].as_u64().and_then(|count| usize::try_from(count + 1).ok()).unwrap()
    );
    // The judge finds fault with what is wrong, or its silence would mean nothing.
    let faults: [Damage; 3] = [
        |document| document["serialNumber"] = json!("urn:uuid:1"),
        |document| document["components"][0]["type"] = json!("crate"),
        |document| document["metadata"]["timestamp"] = json!("yesterday"),
    ];
    for (number, damage) in faults.iter().enumerate() {
        let mut damaged = document.clone();
        damage(&mut damaged);
        assert_ne!(judge(&python, &damaged), "None", "damage {number} passes");
    }
}

/// What the schema does not say, and what has to be in it.
fn check_cyclonedx(document: &Value, base: &str) {
    assert_eq!((&document["bomFormat"], &document["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    let serial = document["serialNumber"].as_str().unwrap();
    let groups: Vec<_> = serial.strip_prefix("urn:uuid:").unwrap().split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    let components = document["components"].as_array().unwrap();
    let mut refs: Vec<_> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
    let count = refs.len();
    refs.sort_unstable();
    refs.dedup();
    assert_eq!(refs.len(), count, "every component has a reference of its own");
    for name in ["charm-runner", "charm-telemetry-core", "serde_json", "clap"] {
        assert!(
            components.iter().any(|one| one["name"] == name && one["purl"].as_str().is_some()),
            "no {name}"
        );
    }
    // They work in the compiler, and are no part of the binary.
    assert!(!components.iter().any(|one| one["name"] == "syn" || one["name"] == "proc-macro2"));
    assert!(components.iter().any(|one| one["type"] == "container" && one["version"] == base));
    for dependency in document["dependencies"].as_array().unwrap() {
        let needs = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
        assert!(
            needs.into_iter().all(|reference| refs.contains(&reference.as_str().unwrap())),
            "{dependency}"
        );
    }
}

#[test]
fn the_manifest_of_an_agent_names_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("charm.yaml");
    fs::write(&manifest, "runtime:\n  telemetry: []\n  custom_image: ghcr.io/team/agent:7\n").unwrap();
    let (manifest, place) = (manifest.display().to_string(), output(&folder.path().join("image")));
    let report = image(["--manifest", &manifest, "--output", &place, "--json"], &[]).json();
    assert_eq!(report["tags"], json!(["ghcr.io/team/agent:7"]));
    let place = output(&folder.path().join("other"));
    let report = image(["--manifest", &manifest, "--tag", "x:1", "--output", &place, "--json"], &[]).json();
    assert_eq!(report["tags"], json!(["docker.io/library/x:1"]));
}

#[test]
fn a_person_gets_a_summary_and_sees_each_step() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("image");
    let said = image(["--tag", "a/b:1", "--features", "otlp", "--output", &output(&at)], &[]);
    let layout = Layout::read(&at);
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let platform = format!("platform   linux/{machine} (oci manifest)\n");
    for row in [
        format!("digest     {}\n", layout.digest),
        format!("image id   {}\n", layout.manifest["config"]["digest"].as_str().unwrap()),
        platform,
        "tag        docker.io/a/b:1\n".to_owned(),
        "base       scratch\n".to_owned(),
        format!("exporters  otlp {}\n", env!("CARGO_PKG_VERSION")),
        format!("written    {}\n", at.display()),
    ] {
        assert!(said.stdout.contains(&row), "no `{row}` in: {}", said.stdout);
    }
    for (number, what) in ["users and folders", "charm-runner"].iter().enumerate() {
        let digest = layout.manifest["layers"][number]["digest"].as_str().unwrap();
        let short = &digest["sha256:".len()..][..12];
        let is_row = |line: &str| line.trim().starts_with(short) && line.ends_with(what);
        assert!(said.stdout.lines().any(is_row), "no layer {short} in: {}", said.stdout);
    }
    for word in ["in 2 layers\n", "size", "runner", " crates\n", "time"] {
        assert!(said.stdout.contains(word), "no `{word}` in: {}", said.stdout);
    }
    for step in ["generate the runner", "compile it for linux/", "ask it for its exporters", "write "] {
        assert!(said.stderr.contains(step), "no `{step}` in: {}", said.stderr);
    }
}
