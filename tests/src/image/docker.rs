//! A Docker daemon of the test's own.
//!
//! Rule: it shares nothing with a daemon of the machine: folders, socket, mounts and network rules, and ends with its guard.

use std::fs::{self, File};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::requires;

/// `dockerd`, running until it is dropped.
#[derive(Debug)]
pub struct DockerDaemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl DockerDaemon {
    /// Starts one; `None` after saying that the calling test is skipped, also where nothing may be skipped: no package
    /// gives a machine the right to run one.
    ///
    /// # Panics
    /// If its files cannot be written.
    pub fn start() -> Option<Self> {
        let daemon = requires::optional_program("dockerd")?;
        requires::optional_program("docker")?;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let log = File::create(at("log")).unwrap();
        // What it mounts is gone with it.
        let mut command = Command::new("unshare");
        command.arg("--mount").arg(daemon);
        for (flag, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(flag).arg(at(name));
        }
        command.arg("--host").arg(format!("unix://{}", at("socket").display()));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        // The simplest driver works on every file system, and makes folders that a layer leaves out for root alone.
        command.args(["--ip-forward=false", "--ip-masq=false", "--storage-driver=vfs"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut daemon = Self { child: command.spawn().unwrap(), folder };
        if daemon.answers() {
            return Some(daemon);
        }
        let log = daemon.log();
        let why = log.lines().next_back().unwrap_or("it says nothing").to_owned();
        requires::optional_missing(
            "a Docker daemon that starts",
            &format!("run the tests as root; it says: {why}"),
        )
    }

    /// Docker's program, told of this daemon. The one of the machine stays unknown to it.
    pub fn docker(&self, args: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(args).env("DOCKER_HOST", self.host()).env_remove("DOCKER_CONTEXT").stdin(Stdio::null());
        docker
    }

    /// The value of `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// What a container of an image prints, run in the host's network.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, image: &str, command: &[&str]) -> String {
        // A limit above that of the machine cannot be set.
        let limit = Command::new("sh").args(["-c", "ulimit -Hn"]).output().unwrap();
        let limit = String::from_utf8_lossy(&limit.stdout).trim().to_owned();
        let limit = format!("--ulimit=nofile={limit}:{limit}");
        let mut docker = self.docker(&["run", "--rm", "--network=host", &limit, image]);
        stdout(&docker.args(command).output().unwrap())
    }

    /// What Docker's program prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn said(&self, args: &[&str]) -> String {
        stdout(&self.docker(args).output().unwrap())
    }

    fn answers(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_mins(1) {
            if self.docker(&["info"]).output().is_ok_and(|output| output.status.success()) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks it to end, so that it ends its containers and its own helper, and waits a while.
    fn end(&mut self) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // If it has ended, there is nothing to ask.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

impl Drop for DockerDaemon {
    fn drop(&mut self) {
        if self.end() {
            return;
        }
        let helper = fs::read_to_string(self.folder.path().join("exec/containerd/containerd.pid"));
        let helper = helper.ok().and_then(|pid| pid.trim().parse().ok()).and_then(Pid::from_raw);
        let _ = helper.map(|pid| kill_process(pid, Signal::KILL));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
