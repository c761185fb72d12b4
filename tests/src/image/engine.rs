//! Podman with runc: images and containers.
//!
//! Rule: a container and an image that a test made are removed when their guard is dropped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// An image that a test loaded; removed when it is dropped.
#[derive(Debug)]
pub struct LoadedImage(pub String);

impl Drop for LoadedImage {
    fn drop(&mut self) {
        let _ = quiet(Command::new("podman").args(["rmi", "--force", &self.0]));
    }
}

/// A container by its name; removed when it is dropped.
#[derive(Debug)]
pub struct Container(pub String);

impl Container {
    /// One with a name that no other has. Nothing is started yet.
    pub fn new(what: &str) -> Self {
        Self(unique(what))
    }

    /// The command line that starts a container here; arguments of `podman run`, the image and its command follow.
    ///
    /// # Panics
    /// If there is no shell.
    pub fn run_command(&self) -> Command {
        let limit = Command::new("sh").args(["-c", "ulimit -Hn"]).output().expect("there is a shell");
        let limit = String::from_utf8_lossy(&limit.stdout).trim().to_owned();
        let mut command = Command::new("podman");
        command.args(["--runtime", "runc", "run", "--rm", "--name", &self.0, "--network=host"]);
        command.arg(format!("--ulimit=nofile={limit}:{limit}")).arg("--ulimit=nproc=1000:1000");
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = quiet(Command::new("podman").args(["rm", "--force", "--time", "0", &self.0]));
    }
}

fn quiet(command: &mut Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// An image unpacked for runc.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    name: String,
}

impl Bundle {
    /// Unpacks the image with this tag out of a layout.
    ///
    /// # Panics
    /// If `umoci` cannot.
    pub fn unpack(layout: &Path, tag: &str, folder: &Path) -> Self {
        let image = format!("{}:{tag}", layout.display());
        let output = Command::new("umoci").args(["unpack", "--image", &image]).arg(folder).output();
        let output = output.expect("umoci can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder: folder.to_owned(), name: unique("bundle") }
    }

    /// The root of its file system.
    pub fn root(&self) -> PathBuf {
        self.folder.join("rootfs")
    }

    /// What runc will do.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn config(&self) -> Value {
        let text = std::fs::read(self.folder.join("config.json")).expect("a bundle has a configuration");
        serde_json::from_slice(&text).expect("it is JSON")
    }

    /// Sets the command and more environment, mounts a folder as `/agent`, and stays in the network of the host.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn configure(&self, command: &[&str], env: &[&str], agent: &Path) {
        let mut config = self.config();
        let process = &mut config["process"];
        process["terminal"] = json!(false);
        process["args"] = json!(command);
        process["cwd"] = json!("/agent");
        process["env"].as_array_mut().expect("a list").extend(env.iter().map(|pair| json!(pair)));
        // Limits above the host's cannot be set everywhere.
        process["rlimits"] = json!([]);
        let mounts = config["mounts"].as_array_mut().expect("a list");
        mounts.retain(|mount| mount["destination"] != "/agent");
        mounts.push(
            json!({ "destination": "/agent", "type": "bind", "source": agent, "options": ["rbind", "rw"] }),
        );
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
        namespaces.retain(|namespace| namespace["type"] != "network");
        std::fs::write(self.folder.join("config.json"), config.to_string()).expect("it can be written");
    }

    /// Gives it a `/dev` with `null` and nothing else: no source of randomness.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn leave_only_null(&self, scratch: &Path) {
        let devices = scratch.join("dev");
        std::fs::create_dir(&devices).expect("the folder is new");
        std::fs::write(devices.join("null"), "").expect("it can be written");
        let mut config = self.config();
        let mounts = config["mounts"].as_array_mut().expect("a list");
        mounts.retain(|mount| !mount["destination"].as_str().is_some_and(|to| to.starts_with("/dev")));
        let bind = |source: &Path, to: &str| json!({ "destination": to, "type": "bind", "source": source, "options": ["bind", "rw"] });
        mounts.push(bind(&devices, "/dev"));
        mounts.push(bind(Path::new("/dev/null"), "/dev/null"));
        std::fs::write(self.folder.join("config.json"), config.to_string()).expect("it can be written");
    }

    /// The command line that runs it.
    pub fn run_command(&self) -> Command {
        let mut command = Command::new("runc");
        command.args(["run", "--bundle"]).arg(&self.folder).arg(&self.name).stdin(Stdio::null());
        command
    }

    /// The command line that sends a signal to its first process.
    pub fn kill_command(&self, signal: &str) -> Command {
        let mut command = Command::new("runc");
        command.args(["kill", &self.name, signal]).stdin(Stdio::null());
        command
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = quiet(Command::new("runc").args(["delete", "--force", &self.name]));
    }
}

/// A folder with every program of this machine but these, to be `PATH`.
///
/// # Panics
/// If there is no `PATH`.
pub fn programs_without(left_out: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").expect("there are programs");
    for program in std::env::split_paths(&path).filter_map(|folder| folder.read_dir().ok()).flatten() {
        let program = program.unwrap();
        if !left_out.iter().any(|name| program.file_name() == *name) {
            // The first of a name is the one that counts.
            let _ = std::os::unix::fs::symlink(program.path(), folder.path().join(program.file_name()));
        }
    }
    folder
}

fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("charm-test-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
