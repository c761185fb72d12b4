//! Starts the agent: its own group, its own pipes, bound to our life.
//! The one rule: when starting fails, the message says which file is to blame and what to do about it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::{Errno, FdFlags};

use super::spec::{ChildSpec, Stdin};

/// Why an agent could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The working directory is not there.
    #[error("cannot start `{program}` in `{directory}`: no such directory; check the path of the project")]
    NoDirectory {
        /// What was to run.
        program: String,
        /// Where.
        directory: String,
    },
    /// The program is not there.
    #[error("cannot start `{program}`: not found on `PATH`; {}", install(program))]
    NotOnPath {
        /// What was to run.
        program: String,
    },
    /// The file is not there.
    #[error("cannot start `{program}`: no such file; check the path")]
    NoFile {
        /// What was to run.
        program: String,
    },
    /// The file is there, what its first line names is not.
    #[error(
        "cannot start `{program}`: its first line asks for `{interpreter}`, which does not exist; correct that line or install it"
    )]
    NoInterpreter {
        /// What was to run.
        program: String,
        /// What would have run it.
        interpreter: String,
    },
    /// The file may not be run.
    #[error(
        "cannot start `{program}`: permission denied; make it executable with `chmod +x {program}`, or start it through its interpreter"
    )]
    NotExecutable {
        /// What was to run.
        program: String,
    },
    /// A directory was named.
    #[error("cannot start `{program}`: it is a directory; name the program in it")]
    IsDirectory {
        /// What was to run.
        program: String,
    },
    /// The file is no program, or one of another machine.
    #[error(
        "cannot start `{program}`: not a program for this machine; give a script a first line such as `#!/usr/bin/env python3`, or build the program for this machine"
    )]
    NotAProgram {
        /// What was to run.
        program: String,
    },
    /// Arguments and environment are too large.
    #[error(
        "cannot start `{program}`: its arguments and environment are larger than the system allows; hand over large input in a file"
    )]
    TooLarge {
        /// What was to run.
        program: String,
    },
    /// Anything else, such as no memory or no descriptors.
    #[error("cannot start `{program}`: {source}")]
    Other {
        /// What was to run.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A started agent and our ends of its pipes.
pub(super) struct Spawned {
    pub(super) child: std::process::Child,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
    pub(super) bridge: Option<PipeReader>,
}

/// Starts the command of `spec`, which is used up by it: its copies of the write ends are closed on return.
pub(super) fn spawn(spec: ChildSpec) -> Result<Spawned, SpawnError> {
    let ChildSpec { mut command, stdin, bridge, .. } = spec;
    start(&mut command, stdin, bridge).map_err(|error| explain(&command, error))
}

fn start(command: &mut Command, stdin: Stdin, bridge: Option<OsString>) -> io::Result<Spawned> {
    let (stdout, stdout_writer) = io::pipe()?;
    let (stderr, stderr_writer) = io::pipe()?;
    let mut bridge_reader = None;
    let mut bridge_writer = None;
    if let Some(env_name) = bridge {
        let (reader, writer) = io::pipe()?;
        command.env(env_name, std::os::fd::AsRawFd::as_raw_fd(&writer).to_string());
        (bridge_reader, bridge_writer) = (Some(reader), Some(writer));
    }
    command.stdin(stdin_for(stdin)).stdout(stdout_writer).stderr(stderr_writer).process_group(0);
    bind_to_us(command, bridge_writer);
    for reader in [Some(&stdout), Some(&stderr), bridge_reader.as_ref()].into_iter().flatten() {
        rustix::io::ioctl_fionbio(reader, true)?;
    }
    Ok(Spawned { child: command.spawn()?, stdout, stderr, bridge: bridge_reader })
}

fn stdin_for(stdin: Stdin) -> Stdio {
    match stdin {
        Stdin::Inherit if !io::IsTerminal::is_terminal(&io::stdin()) => Stdio::inherit(),
        Stdin::Inherit | Stdin::Null => Stdio::null(),
    }
}

/// What happens in the child between fork and exec: the bridge pipe is let through, and on Linux the child asks to be
/// killed when the thread that started it ends.
#[expect(unsafe_code, reason = "the death signal can only be asked for between fork and exec")]
fn bind_to_us(command: &mut Command, bridge: Option<PipeWriter>) {
    #[cfg(target_os = "linux")]
    let parent = rustix::process::getpid();
    let prepare = move || {
        if let Some(writer) = &bridge {
            rustix::io::fcntl_setfd(writer, FdFlags::empty())?;
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Signal, getppid, set_parent_process_death_signal};
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // We may have died just before: then nobody will send the signal.
            if getppid() != Some(parent) {
                return Err(Errno::SRCH.into());
            }
        }
        Ok(())
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe work is allowed: it makes three
    // plain system calls, allocates nothing, takes no lock and cannot panic.
    unsafe { command.pre_exec(prepare) };
}

fn explain(command: &Command, error: io::Error) -> SpawnError {
    let program = command.get_program().to_string_lossy().into_owned();
    if let Some(directory) = command.get_current_dir().filter(|directory| !directory.is_dir()) {
        return SpawnError::NoDirectory { program, directory: directory.display().to_string() };
    }
    let file = locate(command);
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => match file.as_deref().map(interpreter) {
            Some(Some(interpreter)) => SpawnError::NoInterpreter { program, interpreter },
            // A file that is there and has no such line lacks the loader it was linked for.
            Some(None) => SpawnError::NotAProgram { program },
            None if program.contains('/') => SpawnError::NoFile { program },
            None => SpawnError::NotOnPath { program },
        },
        Some(Errno::ACCESS | Errno::PERM) if file.as_deref().is_some_and(Path::is_dir) => {
            SpawnError::IsDirectory { program }
        }
        Some(Errno::ACCESS | Errno::PERM) => SpawnError::NotExecutable { program },
        Some(Errno::NOEXEC) => SpawnError::NotAProgram { program },
        Some(Errno::TOOBIG) => SpawnError::TooLarge { program },
        _ => SpawnError::Other { program, source: error },
    }
}

fn install(program: &str) -> &'static str {
    if program == "python3" {
        "install Python, or make a virtual environment `.venv` in the project"
    } else {
        "install it, or write its full path"
    }
}

/// The file that was to run, if it is there.
fn locate(command: &Command) -> Option<PathBuf> {
    let program = Path::new(command.get_program());
    let directory = command.get_current_dir().unwrap_or(Path::new("."));
    if program.as_os_str().as_bytes().contains(&b'/') {
        return Some(directory.join(program)).filter(|file| file.exists());
    }
    let set = command.get_envs().find(|(name, _)| *name == OsStr::new("PATH"));
    let path = set.map_or_else(|| std::env::var_os("PATH"), |(_, value)| value.map(OsStr::to_owned))?;
    std::env::split_paths(&path).map(|folder| directory.join(folder).join(program)).find(|file| {
        fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// What the `#!` line of a file names.
fn interpreter(file: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(file).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    String::from_utf8_lossy(line).split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_another_machine_is_told_apart_from_a_missing_one() {
        // Some C libraries hand such a file to a shell, others return this error.
        let explained = explain(&Command::new("/bin/sh"), Errno::NOEXEC.into());
        assert!(matches!(explained, SpawnError::NotAProgram { .. }));
        // The file is there, the loader it names is not.
        let explained = explain(&Command::new("/bin/sh"), Errno::NOENT.into());
        assert!(matches!(explained, SpawnError::NotAProgram { .. }));
        let explained = explain(&Command::new("sh"), Errno::MFILE.into());
        assert!(explained.to_string().starts_with("cannot start `sh`: "));
    }
}
