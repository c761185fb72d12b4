//! Compiles the generated crate to a static binary.
//!
//! Rule: what the machine, the user or the folder would mix into the bytes is taken out or given another name.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cargo;
use super::generate::Generated;
use crate::error::{RunnerError, plain};
use crate::program::{Program, Reach};
use crate::progress::Progress;

/// The path of the binary.
pub(super) fn compile(
    generated: &Generated,
    target: &str,
    progress: &Progress,
) -> Result<PathBuf, RunnerError> {
    let target_dir = generated.folder.join("target");
    let mut command = cargo::command();
    command
        .args(["build", "--release", "--locked", "--target", target, "--target-dir"])
        .arg(&target_dir)
        .current_dir(&generated.folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&generated.folder).join("\u{1f}"))
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    remove_influences(&mut command);
    let said = run(command, progress)?;
    match said {
        Ok(()) => Ok(target_dir.join(target).join("release/charm-runner-image")),
        Err(said) => Err(explain(&said, generated, progress)),
    }
}

fn flags(folder: &Path) -> Vec<String> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        // The C library finds this call by name at run time, which a static binary cannot.
        "--cfg=getrandom_backend=\"linux_getrandom\"".to_owned(),
        remap(folder, "/src"),
    ];
    flags.extend(cargo_home().map(|home| remap(&home, "/cargo")));
    flags
}

fn cargo_home() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CARGO_HOME").or_else(|| Some(set("HOME")?.join(".cargo")))
}

/// Variables with which a user tunes builds of their own would change the digest of the image.
fn remove_influences(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(tunes) {
            command.env_remove(name);
        }
    }
}

/// Flags, as cargo and C's builders know them. `CARGO_TARGET_<TRIPLE>_RUSTFLAGS` may stay, because cargo heeds it no more
/// than `build.rustflags` where `CARGO_ENCODED_RUSTFLAGS` is set, as we do. What names a tool (`CC`, `RUSTC_WRAPPER`, a
/// linker) stays: without it there may be none.
fn tunes(name: &str) -> bool {
    let known = ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"];
    let prefixes = ["CARGO_PROFILE_", "CFLAGS_", "CXXFLAGS_"];
    let suffixes = ["CFLAGS", "CXXFLAGS"];
    known.contains(&name)
        || prefixes.iter().any(|prefix| name.starts_with(prefix))
        || suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// Relays what cargo says, and keeps it if it fails.
fn run(mut command: Command, progress: &Progress) -> Result<Result<(), String>, RunnerError> {
    let failed = |error: std::io::Error| RunnerError::Compile(format!("cannot run cargo: {}", plain(&error)));
    // Cargo alone would leave its compilers behind.
    let mut program = Program::start(&mut command, Reach::Group).map_err(failed)?;
    let stderr = program.child().stderr.take().expect("it was asked to be a pipe");
    let mut said = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        progress.relay(&line);
        said.push_str(&line);
        said.push('\n');
    }
    let status = program.wait().map_err(failed)?;
    Ok(if status.success() { Ok(()) } else { Err(said) })
}

fn explain(said: &str, generated: &Generated, progress: &Progress) -> RunnerError {
    let folder = generated.folder.display();
    let above = if progress.is_loud() { String::new() } else { format!("\n{}", said.trim_end()) };
    let culprit = said.lines().find_map(|line| line.split("could not compile `").nth(1)?.split('`').next());
    RunnerError::Compile(match culprit {
        Some("charm-runner-image") => format!(
            "the runner with its exporters could not be linked; cargo says why; the generated crate is in `{folder}`{above}"
        ),
        Some(culprit) => format!(
            "`{culprit}` does not compile; cargo says why; correct it or leave it out (the generated crate is in `{folder}`){above}"
        ),
        None => format!("cargo failed to build the runner in `{folder}`; it says why{above}"),
    })
}

#[cfg(test)]
mod tests {
    use super::tunes;

    #[test]
    fn flags_are_not_handed_on_and_tools_are() {
        for name in [
            "RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_OPT_LEVEL",
            "CFLAGS",
            "TARGET_CFLAGS",
            "HOST_CXXFLAGS",
            "CFLAGS_x86_64_unknown_linux_gnu",
            "CXXFLAGS_x86_64-unknown-linux-gnu",
        ] {
            assert!(tunes(name), "{name}");
        }
        for name in ["CC", "CC_x86_64_unknown_linux_gnu", "AR", "RUSTC_WRAPPER", "CARGO_HOME", "PATH"] {
            assert!(!tunes(name), "{name}");
        }
    }
}
