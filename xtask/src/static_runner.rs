//! The runner as an image has it: static, stripped, with every vendor's exporter, and small.
//!
//! Rule: the flags are those of `image/src/runner/compile.rs`; what is checked is the file that was linked.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{console, workspace};

/// What is promised, in bytes.
const MOST_BYTES: u64 = 8_000_000;

const EXPORTERS: [&str; 4] = ["datadog", "langsmith", "otlp", "sentry"];

/// `PT_INTERP`: the segment that names the dynamic linker.
const INTERPRETER: u32 = 3;

/// Makes a cargo command build what is static and stripped, beside what is not.
pub(crate) fn shape(command: &mut Command) -> Result<()> {
    command.args(["--release", "--target", &host()?, "--config", "profile.release.strip=true"]);
    let flags = ["-Ctarget-feature=+crt-static", "--cfg=getrandom_backend=\"linux_getrandom\""];
    command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    Ok(())
}

/// Builds it and checks it.
pub(crate) fn check() -> Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("only on Linux are binaries static".to_owned());
    }
    let mut command = workspace::cargo(["build", "--package", "charm-runner", "--bin", "charm-runner"]);
    shape(&mut command)?;
    console::note(&format!("$ {}", workspace::line(&command)));
    workspace::run(command)?;
    let runner: PathBuf = workspace::target_dir().join(host()?).join("release/charm-runner");
    let size = small(&runner)?;
    if has_interpreter(&std::fs::read(&runner)?).context("the runner is no ELF file")? {
        bail!("`{}` is not static: it names a dynamic linker", runner.display());
    }
    has_exporters(&runner)?;
    Ok(format!("static, {size} bytes of at most {MOST_BYTES}, with {}", EXPORTERS.join(", ")))
}

fn host() -> Result<String> {
    let said = workspace::output(Command::new("rustc").arg("-vV").current_dir(workspace::root()));
    let said = said.context("`rustc -vV` failed")?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn small(runner: &Path) -> Result<u64> {
    let size = std::fs::metadata(runner)?.len();
    if size > MOST_BYTES {
        bail!("`{}` has {size} bytes, and {MOST_BYTES} are promised", runner.display());
    }
    Ok(size)
}

/// Whether a 64-bit little-endian ELF file asks for a dynamic linker; none if it is no such file.
fn has_interpreter(file: &[u8]) -> Option<bool> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let number = |at: usize, bytes: usize| {
        let field = file.get(at..at + bytes)?.iter().rev();
        field.copied().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(byte.into()))
    };
    let (table, entry, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let interpreter = usize::try_from(INTERPRETER).ok()?;
    let mut kinds = (0..count).map(|index| number(table + index * entry, 4));
    Some(kinds.any(|kind| kind == Some(interpreter)))
}

/// By the binary itself, in an empty environment.
fn has_exporters(runner: &Path) -> Result<()> {
    let mut command = Command::new(runner);
    let said = workspace::output(command.args(["exporters", "--json"]).env_clear());
    let said = said.context("the static runner does not run")?;
    let listed: serde_json::Value = serde_json::from_str(&said).context("it lists no JSON")?;
    let listed = listed.as_array().context("it lists nothing")?;
    let names: Vec<_> = listed.iter().filter_map(|exporter| exporter["name"].as_str()).collect();
    if names != EXPORTERS {
        bail!("the static runner has {names:?} in place of {EXPORTERS:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_linked_dynamically_is_told_from_others() {
        let ours =
            std::fs::read(std::env::current_exe().expect("this program has a file")).expect("it is there");
        let expected = cfg!(all(target_os = "linux", not(target_feature = "crt-static"))).then_some(true);
        assert_eq!(has_interpreter(&ours).filter(|found| *found), expected);
        assert_eq!(has_interpreter(b"#!/bin/sh\n"), None);
    }
}
