//! The command ended by a signal.
//!
//! Rule: nothing half-written stays, nothing that it started goes on, and the exit code is that of the signal.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use charm_telemetry_tests::image::{
    BaseImage, ExporterCrate, Layout, image, image_command, programs_without, root,
};
use rustix::process::{Pid, Signal, kill_process};

/// Far more than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it takes too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Has everything compiled that the tests here share: how long that takes is no affair of theirs.
fn compile_once() {
    static COMPILED: Once = Once::new();
    COMPILED.call_once(|| {
        let folder = tempfile::tempdir().unwrap();
        let place = format!("oci:{}", folder.path().join("image").display());
        let said = image(["--output", &place], &[]);
        assert!(said.success, "{}", said.stderr);
    });
}

/// The command under way; it does not outlive the test.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Sends a signal; answers with the exit code and what was said on both outputs.
    fn end(mut self, signal: Signal) -> (Option<i32>, String, String) {
        assert!(self.0.try_wait().unwrap().is_none(), "it has ended too early");
        kill_process(Pid::from_child(&self.0), signal).unwrap();
        wait_until("it has ended", || self.0.try_wait().unwrap().is_some());
        let read = |pipe: &mut dyn std::io::Read| std::io::read_to_string(pipe).unwrap();
        let (stdout, stderr) = (read(self.0.stdout.as_mut().unwrap()), read(self.0.stderr.as_mut().unwrap()));
        (self.0.wait().unwrap().code(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has ended already, there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A registry with a base whose layer begins and does not end.
fn slow_registry() -> ReceiverDouble {
    let folder = tempfile::tempdir().unwrap();
    // Other bytes than those of any base that has been pulled here.
    let mut image = BaseImage::default();
    image.files.push(("etc/slow", "nobody pulls this to its end\n"));
    let layout = image.write(&folder.path().join("base"));
    let layer = Layout::read(&layout).manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let blob = move |text: &str| layout.join("blobs/sha256").join(text.rsplit("sha256:").next().unwrap());
    let manifest = fs::read(blob(&Layout::read(&folder.path().join("base")).digest)).unwrap();
    let registry = ReceiverDouble::start();
    registry.answer_with(move |request| {
        let _keep = &folder;
        match request.path.rsplit('/').nth(1).unwrap_or_default() {
            "manifests" => Answer::new(200).body(manifest.clone()),
            _ if request.path.ends_with(&layer) => {
                Answer::new(200).body(fs::read(blob(&request.path)).unwrap()).slowly(Duration::from_secs(2))
            }
            _ => Answer::new(200).body(fs::read(blob(&request.path)).unwrap()),
        }
    });
    registry
}

#[test]
fn interrupted_while_it_writes_it_leaves_nothing_behind() {
    compile_once();
    let registry = slow_registry();
    let blobs = root().join("target/charm-image/blobs/sha256");
    for (kind, signal, code) in [("oci", Signal::INT, 130), ("tar", Signal::TERM, 143)] {
        let (folder, before) = (tempfile::tempdir().unwrap(), names(&blobs));
        let (base, place) = (
            format!("{}/base:1", registry.address()),
            format!("{kind}:{}", folder.path().join("image").display()),
        );
        let running = Running::start(image_command(["--base", &base, "--output", &place], &[]));
        let is_partial = |name: &String| name.starts_with(".charm-image-") && !before.contains(name);
        wait_until("it writes and pulls", || {
            names(folder.path()).iter().any(is_partial) && names(&blobs).iter().any(is_partial)
        });
        let (ended, stdout, stderr) = running.end(signal);
        assert_eq!(ended, Some(code), "{stderr}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{kind}");
        assert!(!names(&blobs).iter().any(is_partial), "{kind}: what was pulled in part is left");
        assert_eq!(stdout, "");
        let last = stderr.lines().next_back().unwrap_or_default();
        assert!(
            last.starts_with("error: stopped by SIG") && last.ends_with("nothing half-written was left"),
            "{last}"
        );
    }
}

/// Whether the process is there and does something.
fn lives(pid: &str) -> bool {
    // Without a number this would be the file of the whole machine.
    let stat = if pid.is_empty() { None } else { fs::read_to_string(format!("/proc/{pid}/stat")).ok() };
    let stat = stat.unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).is_some_and(|state| state != 'Z')
}

/// A crate whose compilation begins and does not end while the folder is there; its process writes who it is into a file.
fn endless_crate(folder: &Path) -> (ExporterCrate, PathBuf) {
    let mine = ExporterCrate::sound(folder, "test-endless", "endless");
    let pid = folder.join("pid");
    let script = ENDLESS.replace("PID", &pid.display().to_string());
    fs::write(mine.folder.join("build.rs"), script).unwrap();
    (mine, pid)
}

const ENDLESS: &str = r#"fn main() {
    std::fs::write("PID", std::process::id().to_string()).unwrap();
    while std::path::Path::new("PID").exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
"#;

#[test]
fn interrupted_while_it_compiles_it_ends_cargo_and_all_that_cargo_started() {
    compile_once();
    let folder = tempfile::tempdir().unwrap();
    let (mine, pid) = endless_crate(folder.path());
    let place = format!("oci:{}", folder.path().join("image").display());
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let running = Running::start(image_command(["--with", &mine.with(), "--output", &place], &[]));
        let read = || fs::read_to_string(&pid).unwrap_or_default();
        let mut compiler = String::new();
        wait_until("the crate is being compiled", || {
            compiler = read();
            lives(&compiler)
        });
        let (ended, _, stderr) = running.end(signal);
        assert_eq!(ended, Some(code), "{stderr}");
        assert!(!lives(&compiler), "what cargo started goes on");
        assert!(!folder.path().join("image").exists());
    }
    // Whoever comes next finds everything as it should be.
    fs::remove_file(mine.folder.join("build.rs")).unwrap();
    let said = image_command(["--with", &mine.with(), "--output", &place], &[]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// A registry that takes blobs and is in no hurry to say so.
fn patient_registry() -> ReceiverDouble {
    let registry = ReceiverDouble::start();
    registry.answer_with(|request| match request.method.as_str() {
        "HEAD" => Answer::new(404),
        "POST" => Answer::new(202).header("Location", "/upload?session=1"),
        "PUT" => Answer::silence(),
        _ => Answer::new(204),
    });
    registry
}

#[test]
fn interrupted_while_it_pushes_it_has_published_nothing() {
    compile_once();
    for (signal, code) in [(Signal::INT, 130), (Signal::HUP, 129)] {
        let registry = patient_registry();
        let tag = format!("{}/team/runner:1", registry.address());
        let running = Running::start(image_command(["--tag", &tag, "--push"], &[]));
        let sends = || registry.requests().iter().any(|request| request.method == "PUT");
        wait_until("a blob is being sent", sends);
        let (ended, stdout, stderr) = running.end(signal);
        assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{stderr}");
        let asked = registry.requests();
        assert!(!asked.iter().any(|request| request.path.contains("/manifests/")), "nothing is published");
    }
}

/// In the place of Podman: is asked to load, says which process it is, and does not end while its file is there.
const SLOW_ENGINE: &str = r#"#!/bin/sh
case "$1" in
info) exit 0 ;;
load) echo $$ > "$(dirname "$0")/pid"; ls "$4" > "$(dirname "$0")/archive"; while [ -e "$0" ]; do sleep 0.05; done ;;
esac
"#;

#[test]
fn interrupted_while_an_engine_loads_it_ends_that_and_takes_its_archive_away() {
    compile_once();
    let programs = programs_without(&["podman", "docker"]);
    let engine = programs.path().join("podman");
    fs::write(&engine, SLOW_ENGINE).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    let path = programs.path().display().to_string();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let args = ["--tag", "localhost/charm-test/slow:1", "--load"];
        let running = Running::start(image_command(args, &[("PATH", &path)]));
        let read = |name: &str| fs::read_to_string(programs.path().join(name)).unwrap_or_default();
        wait_until("the engine loads", || read("archive").ends_with('\n'));
        let (pid, archive) = (read("pid"), read("archive"));
        assert!(lives(pid.trim()) && Path::new(archive.trim()).is_file());
        let (ended, stdout, stderr) = running.end(signal);
        assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{stderr}");
        assert!(!lives(pid.trim()), "the engine goes on");
        assert!(!Path::new(archive.trim()).parent().unwrap().exists(), "the archive is left");
        fs::remove_file(programs.path().join("archive")).unwrap();
    }
}
