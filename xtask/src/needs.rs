//! The programs of the machine that the tests use.
//!
//! Rule: everything that is missing is named at once, each with the way to get it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{console, workspace};

/// A program, why it is needed, and how to get it.
struct Need {
    program: &'static str,
    version_flag: &'static str,
    why: &'static str,
    way_out: &'static str,
    necessity: Necessity,
}

/// When the task stops without a program. Otherwise the tests that need it say that they were skipped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Necessity {
    Always,
    /// Where nothing may be skipped.
    WithAll,
    /// Never: having it is not enough, the machine must be one where it may run.
    Never,
}

const NEEDS: &[Need] = &[
    Need {
        program: "python3",
        version_flag: "--version",
        why: "runs Python agents",
        way_out: "apt-get install python3 python3-venv, brew install python, or https://www.python.org",
        necessity: Necessity::Always,
    },
    Need {
        program: "node",
        version_flag: "--version",
        why: "runs Node agents",
        way_out: "apt-get install nodejs, brew install node, or https://nodejs.org",
        necessity: Necessity::Always,
    },
    Need {
        program: "npm",
        version_flag: "--version",
        why: "installs a receiver of the tests",
        way_out: "apt-get install npm, brew install node, or https://nodejs.org",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "strace",
        version_flag: "--version",
        why: "counts system calls",
        way_out: "apt-get install strace (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "valgrind",
        version_flag: "--version",
        why: "counts instructions and checks memory",
        way_out: "apt-get install valgrind (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "podman",
        version_flag: "--version",
        why: "runs images",
        way_out: "apt-get install podman (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "runc",
        version_flag: "--version",
        why: "runs images",
        way_out: "apt-get install runc (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "skopeo",
        version_flag: "--version",
        why: "reads images as another client",
        way_out: "apt-get install skopeo (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "umoci",
        version_flag: "--version",
        why: "unpacks images",
        way_out: "apt-get install umoci (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "docker-registry",
        version_flag: "--version",
        why: "takes images",
        way_out: "apt-get install docker-registry (Linux only)",
        necessity: Necessity::WithAll,
    },
    Need {
        program: "dockerd",
        version_flag: "--version",
        why: "loads and runs images",
        way_out: "apt-get install docker.io (Linux only)",
        necessity: Necessity::Never,
    },
    Need {
        program: "openssl",
        version_flag: "version",
        why: "signs for registries",
        way_out: "apt-get install openssl, or brew install openssl",
        necessity: Necessity::WithAll,
    },
];

/// What a missing program means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// The tests that need it are skipped, and say so.
    Skip,
    /// The task fails, but for programs that not every machine can run.
    RequireAll,
}

impl Strictness {
    /// As the user wants it: `CHARM_TEST_REQUIRE_ALL=1` makes every program required.
    pub(crate) fn from_environment() -> Self {
        match std::env::var_os(REQUIRE_ALL) {
            Some(value) if value == "1" => Self::RequireAll,
            _ => Self::Skip,
        }
    }
}

/// The variable that the tests read too.
pub(crate) const REQUIRE_ALL: &str = "CHARM_TEST_REQUIRE_ALL";

/// Looks for every program.
pub(crate) fn check(strictness: Strictness) -> Result<String> {
    let mut missing = Vec::new();
    for need in NEEDS {
        if let Some(version) = need.version() {
            console::note(&format!("{:9} {version} ({})", need.program, need.why));
        } else {
            let loss = if need.is_required(strictness) { "required" } else { "its tests are skipped" };
            console::note(&format!("{:9} MISSING, {loss}: {}", need.program, need.way_out));
            missing.push(need);
        }
    }
    let stopping: Vec<_> = missing.iter().filter(|need| need.is_required(strictness)).collect();
    if !stopping.is_empty() {
        let lines = stopping.iter().map(|need| need.complaint()).collect::<Vec<_>>();
        bail!("{}", lines.join("\n"));
    }
    Ok(match missing.len() {
        0 => format!("all {} programs found", NEEDS.len()),
        n => format!("{n} of {} programs missing, their tests are skipped", NEEDS.len()),
    })
}

impl Need {
    fn is_required(&self, strictness: Strictness) -> bool {
        match self.necessity {
            Necessity::Always => true,
            Necessity::WithAll => strictness == Strictness::RequireAll,
            Necessity::Never => false,
        }
    }

    fn version(&self) -> Option<String> {
        let said = workspace::output(Command::new(self.program).arg(self.version_flag))?;
        said.split_whitespace()
            .map(|word| word.trim_start_matches("valgrind-").trim_start_matches('v'))
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
    }

    fn complaint(&self) -> String {
        format!("`{}` was not found ({}); to get it: {}", self.program, self.why, self.way_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_for_a_bare_machine_installs_every_program_that_may_be_demanded() {
        let script = std::fs::read_to_string(workspace::root().join(".ci/run")).expect("it can be read");
        let demanded = NEEDS.iter().filter(|need| need.necessity != Necessity::Never);
        for Need { program, .. } in demanded {
            assert!(script.contains(&format!("{program}:")), "`.ci/run` does not install `{program}`");
        }
    }
}
