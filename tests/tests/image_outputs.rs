//! Places that an image cannot be written to.
//!
//! Rule: each is told in a sentence with the way out, and nothing half-written is left.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use charm_telemetry_tests::image::{BaseImage, Layout, Said, image, programs_without};
use charm_telemetry_tests::requires;
use serde_json::{Value, json};

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write(place: &str, tag: &str) -> Said {
    image(["--tag", tag, "--output", place], &[])
}

#[test]
fn a_place_that_is_not_writable_is_told() {
    for place in ["tar:/proc/charm/image.tar", "oci:/proc/charm/image"] {
        let said = write(place, "a:1");
        let expected =
            "cannot write `/proc/charm`: no such file or directory; choose a place that you may write to";
        assert_eq!(said.error(), expected);
    }
}

/// A small file system that is unmounted when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(options: &str) -> Option<Self> {
        let mount = requires::program("mount")?;
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new(mount)
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .output()
            .unwrap()
            .status;
        if status.success() {
            return Some(Self(folder));
        }
        requires::missing("the right to mount a small file system", "run the tests as root")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left_on_it() {
    let Some(disk) = SmallDisk::new("size=256k") else { return };
    for place in ["tar", "oci"] {
        let path = disk.0.path().join("image");
        let said = write(&format!("{place}:{}", path.display()), "a:1");
        let path = path.display();
        assert_eq!(
            said.error(),
            format!("no space left for `{path}`; make room there or choose another place")
        );
        assert_eq!(entries(disk.0.path()), Vec::<String>::new());
    }
}

#[test]
fn a_disk_that_can_only_be_read_is_told() {
    let Some(disk) = SmallDisk::new("size=256k,ro") else { return };
    for place in ["tar", "oci"] {
        let path = disk.0.path().join("image");
        let said = write(&format!("{place}:{}", path.display()), "a:1");
        let path = path.display();
        let expected =
            format!("cannot write `{path}`: read-only file system; choose a place that you may write to");
        assert_eq!(said.error(), expected);
        assert!(!said.stderr.contains("compile it"), "it is told before that: {}", said.stderr);
    }
}

#[test]
fn an_older_image_of_that_name_is_replaced_and_anything_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("image");
    let place = format!("oci:{}", at.display());
    assert!(write(&place, "a:1").success);
    let first = Layout::read(&at).digest;
    assert!(image(["--tag", "a:1", "--label", "n=2", "--output", &place], &[]).success);
    assert_ne!(Layout::read(&at).digest, first, "it was replaced");
    assert_eq!(at.join("blobs/sha256").read_dir().unwrap().count(), 4, "nothing of the older one is left");
    let said = write(&place, "b:1");
    assert!(
        said.error()
            .contains("holds another image, `docker.io/library/a:1`; choose a new folder or remove it"),
        "{}",
        said.error()
    );

    let papers = folder.path().join("papers");
    fs::create_dir(&papers).unwrap();
    fs::write(papers.join("letter.txt"), "dear").unwrap();
    let said = write(&format!("oci:{}", papers.display()), "a:1");
    assert!(said.error().contains("holds something that is no OCI layout"), "{}", said.error());
    assert_eq!(entries(&papers), ["letter.txt"]);
    let said = write(&format!("tar:{}", papers.display()), "a:1");
    assert!(said.error().contains("is a folder; name a file"), "{}", said.error());
    assert_eq!(entries(folder.path()), ["image", "papers"]);
}

/// Every file below a folder, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for path in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => drop(all.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    all
}

#[test]
fn the_layout_of_another_program_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = BaseImage::default().write(&folder.path().join("base"));
    let (before, shown) = (contents(&at), at.display());
    let said = write(&format!("oci:{shown}"), "a:1");
    let expected = format!(
        "`{shown}` holds another image, one that was not built here; choose a new folder or remove it"
    );
    assert_eq!(said.error(), expected);
    let place = format!("oci:{shown}");
    let said = image(["--base", &place, "--output", &place], &[]);
    let expected = format!(
        "`--output {place}` and `--base {place}` share a place, and a base is never changed; choose another"
    );
    assert_eq!(said.error(), expected);
    // A name that is ours too makes it no image of ours.
    let name = json!({ "io.containerd.image.name": "docker.io/library/a:1" });
    let mut index: Value = serde_json::from_slice(&before[&at.join("index.json")]).unwrap();
    index["manifests"][0]["annotations"] = name;
    fs::write(at.join("index.json"), index.to_string()).unwrap();
    let before = contents(&at);
    let said = write(&place, "a:1");
    let named = "holds another image, `docker.io/library/a:1` that was not built here;";
    assert!(said.error().contains(named), "{}", said.error());
    assert_eq!(contents(&at), before);
}

#[test]
fn a_file_beside_an_older_image_of_ours_keeps_it_from_being_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("image");
    let place = format!("oci:{}", at.display());
    assert!(image(["--output", &place], &[]).success);
    assert!(
        image(["--output", &place], &[]).success,
        "without a name it is ours by what made its last layer"
    );
    fs::write(at.join("notes.txt"), "dear").unwrap();
    let before = contents(&at);
    let said = image(["--output", &place], &[]);
    let expected = "holds `notes.txt`, which is no part of an OCI layout; choose a new folder or remove it";
    assert!(said.error().ends_with(expected), "{}", said.error());
    assert_eq!(contents(&at), before);
}

#[test]
fn a_device_or_a_pipe_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let said = write(&format!("tar:{}", pipe.display()), "a:1");
    let expected = format!("`{}` is no file but a device or a pipe; name a file", pipe.display());
    assert_eq!(said.error(), expected);
    assert!(!said.stderr.contains("compile it"), "it is told before that: {}", said.stderr);
    fs::rename(&pipe, folder.path().join("image.cdx.json")).unwrap();
    let said = write(&format!("tar:{}/image.tar", folder.path().display()), "a:1");
    assert!(said.error().contains("image.cdx.json` is no file but a device"), "{}", said.error());
    assert_eq!(entries(folder.path()), ["image.cdx.json"]);
}

#[test]
fn a_folder_that_cannot_be_moved_is_filled_and_filled_again() {
    let Some(disk) = SmallDisk::new("size=64m") else { return };
    let place = format!("oci:{}", disk.0.path().display());
    let first = write(&place, "a:1");
    assert!(first.success, "{}", first.stderr);
    let first = Layout::read(disk.0.path()).digest;
    let second = image(["--tag", "a:1", "--label", "n=2", "--output", &place], &[]);
    assert!(second.success, "{}", second.stderr);
    assert_ne!(Layout::read(disk.0.path()).digest, first);
    assert_eq!(entries(disk.0.path()), ["blobs", "index.json", "oci-layout"]);
    assert_eq!(entries(&disk.0.path().join("blobs/sha256")).len(), 4, "nothing of the older one is left");
}

#[test]
fn a_folder_without_room_is_as_empty_afterwards_as_it_was() {
    let Some(disk) = SmallDisk::new("size=256k") else { return };
    let said = write(&format!("oci:{}", disk.0.path().display()), "a:1");
    let expected =
        format!("no space left for `{}`; make room there or choose another place", disk.0.path().display());
    assert_eq!(said.error(), expected);
    assert_eq!(entries(disk.0.path()), Vec::<String>::new());
}

#[test]
fn the_list_of_contents_keeps_what_looks_like_an_ending() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("tar:{}", folder.path().join("app-1.2").display());
    assert!(write(&place, "a:1").success);
    assert_eq!(entries(folder.path()), ["app-1.2", "app-1.2.cdx.json"]);
}

#[test]
fn a_base_with_a_damaged_layer_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let layout = Layout::read(&base);
    let digest = layout.manifest["layers"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    fs::write(base.join("blobs/sha256").join(digest), "damaged").unwrap();
    let at = folder.path().join("image");
    let (base, place) = (format!("oci:{}", base.display()), format!("oci:{}", at.display()));
    let said = image(["--base", &base, "--output", &place], &[]);
    assert!(
        said.error().contains("its bytes are others than its name; write the layout again"),
        "{}",
        said.error()
    );
    assert_eq!(entries(folder.path()), ["base"]);
}

/// Every program of this machine but those that run containers.
fn without_engines() -> tempfile::TempDir {
    programs_without(&["podman", "docker"])
}

fn load(programs: &Path) -> Said {
    let path = programs.display().to_string();
    image(["--tag", "localhost/charm-test/docker:1", "--load", "--json"], &[("PATH", &path)])
}

/// A script in the place of Docker's program.
fn docker(programs: &Path, script: &str) {
    let program = programs.join("docker");
    fs::write(&program, format!("#!/bin/sh\nset -e\nhere='{}'\n{script}\n", programs.display())).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_an_engine_that_runs_nothing_is_compiled() {
    let programs = without_engines();
    let expected = "`--load`: neither podman nor docker runs here; start one, or use `--output tar:FILE` and load that elsewhere";
    assert_eq!(load(programs.path()).error(), expected);
    docker(programs.path(), "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    let said = load(programs.path());
    assert_eq!(said.error(), expected);
    assert!(!said.stderr.contains("compile it"), "{}", said.stderr);
}

/// What Docker does with an archive, by another program that reads Docker's format.
const LIKE_DOCKER: &str = r#"case "$1" in
info) ;;
load) cp "$4" "$here/loaded.tar" ;;
image) skopeo inspect --config --raw "docker-archive:$here/loaded.tar:$5" | sha256sum | sed 's/^/sha256:/; s/ .*//' ;;
esac"#;

#[test]
fn docker_is_given_an_archive_of_its_own_format_and_asked_whether_it_has_it() {
    let Some(_) = requires::program("skopeo") else { return };
    let programs = without_engines();
    docker(programs.path(), LIKE_DOCKER);
    assert_eq!(load(programs.path()).json()["loaded"], "docker");
    docker(programs.path(), &LIKE_DOCKER.replace("sed 's/^/sha256:/", "sed 's/^/sha256:0/"));
    let said = load(programs.path());
    let expected = "`docker` has another image under `localhost/charm-test/docker:1` after loading; remove it and try again";
    assert_eq!(said.error(), expected);
    docker(
        programs.path(),
        &LIKE_DOCKER.replace("cp \"$4\" \"$here/loaded.tar\"", "echo 'no space left on device' >&2; exit 1"),
    );
    let said = load(programs.path());
    let expected =
        "`docker load` failed: no space left on device; try `--output tar:FILE` and load that by hand";
    assert_eq!(said.error(), expected);
}
