//! The command `cargo xtask image`, as its program.
//!
//! Rule: no credentials, no epoch and no flags of the person who runs the tests reach it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::workspace::root;

/// What the command said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Whether it succeeded.
    pub success: bool,
    /// Its result.
    pub stdout: String,
    /// Its progress and its error.
    pub stderr: String,
}

impl Said {
    /// The result as JSON.
    ///
    /// # Panics
    /// If it failed, or its output is no JSON.
    pub fn json(&self) -> Value {
        assert!(self.success, "it failed: {}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The error, without the progress before it.
    ///
    /// # Panics
    /// If there was none.
    pub fn error(&self) -> &str {
        assert!(!self.success, "it succeeded: {}", self.stdout);
        // Cargo's own errors are indented, as all that it says is.
        let told = format!("\n{}", self.stderr);
        let at = told.find("\nerror: ").expect("a failure is told");
        self.stderr[at + "error: ".len()..].trim_end()
    }
}

/// The program, built once.
///
/// # Panics
/// If it does not compile.
pub fn tool() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["build", "--quiet", "--package", "charm-telemetry-image", "--message-format", "json"])
            .current_dir(root())
            .output()
            .expect("cargo can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut executables = messages.lines().filter_map(|line| {
            serde_json::from_str::<Value>(line).ok()?.get("executable")?.as_str().map(PathBuf::from)
        });
        executables.next_back().expect("cargo names what it built")
    })
}

/// Runs it in this workspace. `--lto off` and no vendor exporter, so that all tests share what was compiled.
pub fn image<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, env: &[(&str, &str)]) -> Said {
    said(quick_command(args, env))
}

/// The same, not started yet, with signals as a terminal leaves them: what a script starts in the background does not hear
/// Ctrl-C.
pub fn image_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, env: &[(&str, &str)]) -> Command {
    let mut fresh = Command::new("env");
    fresh.arg("--default-signal=HUP,INT");
    within(fresh, &quick_command(args, env))
}

fn quick_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, env: &[(&str, &str)]) -> Command {
    let quick = ["--lto", "off", "--features", "none"].map(|arg| OsStr::new(arg).to_owned());
    let args: Vec<_> = quick.into_iter().chain(args.into_iter().map(|arg| arg.as_ref().to_owned())).collect();
    command_at(root(), args, env)
}

/// Runs it in any folder, with nothing added.
///
/// # Panics
/// If it cannot be started.
pub fn image_at<S: AsRef<OsStr>>(
    folder: &Path,
    args: impl IntoIterator<Item = S>,
    env: &[(&str, &str)],
) -> Said {
    said(command_at(folder, args, env))
}

/// The same as if its user kept new files from everybody else, which is no affair of the image.
///
/// # Panics
/// If it cannot be started.
pub fn image_by_a_careful_user<S: AsRef<OsStr>>(
    folder: &Path,
    args: impl IntoIterator<Item = S>,
    env: &[(&str, &str)],
) -> Said {
    let mut careful = Command::new("sh");
    careful.args(["-c", r#"umask 077; exec "$0" "$@""#]);
    said(within(careful, &command_at(folder, args, env)))
}

/// A program that becomes the one in its arguments.
fn within(mut outer: Command, command: &Command) -> Command {
    outer.arg(command.get_program()).args(command.get_args());
    outer.current_dir(command.get_current_dir().expect("every command here has a folder"));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

fn command_at<S: AsRef<OsStr>>(
    folder: &Path,
    args: impl IntoIterator<Item = S>,
    env: &[(&str, &str)],
) -> Command {
    let mut command = Command::new(tool());
    command.args(args).current_dir(folder);
    for name in
        ["SOURCE_DATE_EPOCH", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "SSL_CERT_FILE"]
    {
        command.env_remove(name);
    }
    // A folder that is not there holds no logins.
    command.env("DOCKER_CONFIG", "/nonexistent").env("REGISTRY_AUTH_FILE", "/nonexistent");
    command.envs(env.iter().copied());
    command
}

fn said(mut command: Command) -> Said {
    let output = command.output().expect("the command can be started");
    Said {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
