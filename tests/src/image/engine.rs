//! Podman with runc: images and containers.
//!
//! Rule: a container and an image that a test made are removed when their guard is dropped.

use std::process::{Command, Output, Stdio};

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
    /// The command line that starts a container here; arguments of `podman run`, the image and its command follow.
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
