//! What a person without `cargo xtask image` would write: a runner, a Dockerfile, `podman build`.
//!
//! Rule: nothing is fetched: the toolchain and the crates of this machine are mounted, which costs the build no time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::quiet;
use crate::workspace;

/// The folder that Podman builds from, with a runner beside a copy of this workspace.
pub(super) struct Context {
    folder: PathBuf,
}

const TAG: &str = "localhost/charm-bench/theirs:1";

impl Context {
    /// Beside the exporter that is in the folder already. Nothing is compiled yet.
    pub(super) fn write(folder: &Path) -> Result<Self> {
        let _ = fs::remove_dir_all(kept(folder));
        fs::create_dir_all(kept(folder))?;
        copy_workspace(&folder.join("house"))?;
        let runner = folder.join("runner");
        fs::create_dir_all(runner.join("src"))?;
        fs::create_dir_all(runner.join("target"))?;
        fs::write(runner.join("Cargo.toml"), RUNNER)?;
        fs::write(runner.join("src/main.rs"), MAIN)?;
        fs::copy(workspace::root().join("Cargo.lock"), runner.join("Cargo.lock"))?;
        fs::write(folder.join("Dockerfile"), DOCKERFILE)?;
        let links = folder.join("links");
        fs::create_dir_all(links.join("tmp"))?;
        for name in ["bin", "lib", "lib64"] {
            let link = links.join(name);
            if fs::symlink_metadata(&link).is_err() {
                std::os::unix::fs::symlink(format!("usr/{name}"), link)?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The first time it compiles everything: so does every build of this file without a cache, because a changed file
    /// makes the steps after its `COPY` be done again. Later ones find what was compiled, as with `RUN --mount=type=cache`.
    pub(super) fn build(&self) -> Result<()> {
        let mut command = Command::new("podman");
        // Without intermediate images, which nobody would remove. Cargo stays offline in the network of the host, which this
        // kind of isolation has to have; it works in a container too.
        command.args(["build", "--quiet", "--layers=false", "--isolation=chroot", "--network=host"]);
        command.args(["--volume=/usr:/usr:ro", "--volume=/etc/alternatives:/etc/alternatives:ro"]);
        command.arg(format!("--volume={}:/toolchain:ro", toolchain()?));
        command.arg(format!("--volume={}:/cargo", cargo_home()?.display()));
        command.arg(format!("--volume={}:/src/runner/target", kept(&self.folder).display()));
        let built = quiet(command.args(["--tag", TAG]).arg(&self.folder));
        // If it was not built it is not there.
        let _ = quiet(Command::new("podman").args(["rmi", "--force", TAG]));
        built
    }
}

/// Outside of the folder, or Podman would copy it.
fn kept(folder: &Path) -> PathBuf {
    folder.with_file_name("kept-target")
}

const RUNNER: &str = r#"[package]
name = "runner"
version = "0.0.0"
edition = "2024"
[dependencies]
charm-runner = { path = "../house/charm-runner" }
bench-exporter = { path = "../exporter" }
[patch.crates-io]
charm-telemetry-core = { path = "../house/charm-telemetry-core" }
[profile.release]
lto = "fat"
codegen-units = 1
strip = true
[workspace]
"#;

const MAIN: &str = "use bench_exporter as _;\nfn main() -> std::process::ExitCode { charm_runner::main() }\n";

const DOCKERFILE: &str = "FROM scratch AS build
COPY links/ /
COPY house /src/house
COPY runner /src/runner
COPY exporter /src/exporter
WORKDIR /src/runner
ENV HOME=/tmp CARGO_HOME=/cargo PATH=/toolchain/bin:/usr/bin RUSTFLAGS=-Ctarget-feature=+crt-static
RUN cargo build --release --offline --target x86_64-unknown-linux-gnu && \\
    cp target/x86_64-unknown-linux-gnu/release/runner /charm-runner
FROM localhost/charm-bench/base:1
COPY --from=build /charm-runner /opt/charm/bin/charm-runner
ENV PATH=/opt/charm/bin:/usr/local/bin:/usr/bin:/bin
CMD [\"charm-runner\", \"run\", \".\"]
";

/// What git knows, and files that it would take.
fn copy_workspace(to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(workspace::root());
    let names = workspace::output(&mut list).context("the workspace is no checkout of git")?;
    for name in names.lines() {
        let (from, to) = (workspace::root().join(name), to.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        // Only what changed, or cargo would take all of it for new.
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            fs::write(&to, bytes)?;
        }
    }
    Ok(())
}

fn toolchain() -> Result<String> {
    let mut rustc = Command::new("rustc");
    let said = workspace::output(rustc.args(["--print", "sysroot"]).current_dir(workspace::root()));
    Ok(said.context("rustc does not say where it is")?.trim().to_owned())
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    match std::env::var_os("HOME") {
        Some(home) => Ok(PathBuf::from(home).join(".cargo")),
        None => bail!("neither CARGO_HOME nor HOME is set, so nobody knows where the crates are"),
    }
}
