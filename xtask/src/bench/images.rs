//! Building images beside `podman build`, and their size beside the reference's.
//!
//! Rule: both build the same runner with the same exporter after the same one-line change, with their caches warm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{console, venv, workspace};

/// What was measured.
pub(super) struct Images {
    ours: Duration,
    podman: Duration,
    our_layer: u64,
    reference: u64,
}

/// Builds everything. Takes minutes: `podman build` compiles every crate anew after a change, which is the point.
pub(super) fn measure() -> Result<Images> {
    let home = workspace::target_dir().join("bench-images");
    fs::create_dir_all(&home)?;
    let exporter = write_exporter(&home)?;
    let tool = build_tool()?;
    console::note("cargo xtask image, to warm its cache");
    let our_layer = build_ours(&tool, &exporter, &home)?;
    change(&exporter, 1)?;
    console::note("cargo xtask image, after a one-line change");
    let started = Instant::now();
    build_ours(&tool, &exporter, &home)?;
    let ours = started.elapsed();
    let context = write_context(&home, &exporter)?;
    console::note("podman build, after a one-line change (its base is there already)");
    let started = Instant::now();
    build_podman(&context)?;
    let podman = started.elapsed();
    Ok(Images { ours, podman, our_layer, reference: reference_size(&home)? })
}

impl Images {
    pub(super) fn print(&self) {
        let line = |name: &str, value: String| console::note(&format!("{name:58} {value:>12}"));
        line("rebuild after a one-line change, cargo xtask image", console::humane(self.ours));
        line("rebuild after a one-line change, podman build", console::humane(self.podman));
        line("added to the base by ours, compressed", kilobytes(self.our_layer));
        line("added to the base by the reference, compressed", kilobytes(self.reference));
        let faster = self.podman.as_secs_f64() / self.ours.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "sizes of images are far from that")]
        let smaller = self.reference as f64 / self.our_layer as f64;
        console::note(&format!("{faster:.1} times as fast, {smaller:.1} times as small"));
    }
}

fn kilobytes(bytes: u64) -> String {
    format!("{} kB", bytes / 1000)
}

fn build_tool() -> Result<PathBuf> {
    workspace::run(workspace::cargo(["build", "--quiet", "--package", "charm-telemetry-image"]))?;
    Ok(workspace::target_dir().join("debug/charm-telemetry-image"))
}

/// An exporter of a third party, with a line to change.
fn write_exporter(home: &Path) -> Result<PathBuf> {
    let folder = home.join("context/exporter");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = "[package]\nname = \"bench-exporter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                    [dependencies]\ncharm-telemetry-core = \"0.1\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest)?;
    change(&folder, 0)?;
    Ok(folder)
}

fn change(exporter: &Path, number: u64) -> Result<()> {
    let source = format!(
        "use charm_telemetry_core::{{HookContext, HookResult, TelemetryExporter, charm_exporter}};\n\n\
         #[charm_exporter(\"bench\")]\npub struct Bench {{ calls: u64 }}\n\n\
         impl TelemetryExporter for Bench {{\n\
         fn on_tool_start(&mut self, _: &HookContext<'_>, _: &str, _: &str) -> HookResult {{\n\
         self.calls += {number};\nOk(())\n}}\n}}\n"
    );
    Ok(fs::write(exporter.join("src/lib.rs"), source)?)
}

/// Answers with the size of the layer.
fn build_ours(tool: &Path, exporter: &Path, home: &Path) -> Result<u64> {
    let mut command = Command::new(tool);
    command.args(["--quiet", "--features", "none", "--json", "--with"]);
    command.arg(format!("bench-exporter={}", exporter.display()));
    command.arg(format!("--output=tar:{}", home.join("ours.tar").display())).current_dir(workspace::root());
    let output = command.stderr(Stdio::inherit()).output().context("cannot start the builder of images")?;
    let report = String::from_utf8(output.stdout)?;
    // The last layer's size is the only one above 100 kB; its line is `"size": N,`.
    let sizes = report
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"size\": ")?.trim_end_matches(',').parse().ok());
    sizes
        .filter(|size: &u64| *size > 100_000)
        .min()
        .context("the builder of images did not say how large the layer is")
}

/// What a person without this tool would write: the workspace, the exporter, a runner, a Dockerfile.
fn write_context(home: &Path, exporter: &Path) -> Result<PathBuf> {
    let context = home.join("context");
    for name in ["charm-telemetry-core", "charm-telemetry-macros", "charm-runner"] {
        let _ = fs::remove_dir_all(context.join("house").join(name));
        copy(&workspace::root().join(name), &context.join("house").join(name))?;
    }
    let manifest = fs::read_to_string(workspace::root().join("Cargo.toml"))?;
    fs::write(context.join("house/Cargo.toml"), only_members(&manifest))?;
    let runner = context.join("runner");
    fs::create_dir_all(runner.join("src"))?;
    fs::write(runner.join("Cargo.toml"), RUNNER)?;
    fs::write(
        runner.join("src/main.rs"),
        "use bench_exporter as _;\nfn main() -> std::process::ExitCode { charm_runner::main() }\n",
    )?;
    fs::copy(workspace::root().join("Cargo.lock"), runner.join("Cargo.lock"))?;
    fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    change(exporter, 2)?;
    Ok(context)
}

const RUNNER: &str = r#"[package]
name = "runner"
version = "0.0.0"
edition = "2024"
[dependencies]
charm-runner = { path = "../house/charm-runner", default-features = false }
bench-exporter = { path = "../exporter" }
[patch.crates-io]
charm-telemetry-core = { path = "../house/charm-telemetry-core" }
[profile.release]
lto = "thin"
codegen-units = 1
strip = true
[workspace]
"#;

/// The tools of this machine are mounted, so that no image of a toolchain has to be fetched.
const DOCKERFILE: &str = "FROM scratch AS build\n\
    COPY links/ /\n\
    COPY house /src/house\n\
    COPY exporter /src/exporter\n\
    COPY runner /src/runner\n\
    WORKDIR /src/runner\n\
    ENV HOME=/home/build PATH=/home/build/.cargo/bin:/usr/bin RUSTFLAGS=-Ctarget-feature=+crt-static\n\
    RUN cargo build --release --offline --target x86_64-unknown-linux-gnu\n\
    FROM scratch\n\
    COPY --from=build /src/runner/target/x86_64-unknown-linux-gnu/release/runner /opt/charm/bin/charm-runner\n";

/// Without the members that the runner does not need.
fn only_members(manifest: &str) -> String {
    let (head, rest) = manifest.split_once("members = [").unwrap_or((manifest, "]"));
    let (_, tail) = rest.split_once(']').unwrap_or(("", ""));
    format!(
        "{head}members = [\"charm-telemetry-core\", \"charm-telemetry-macros\", \"charm-runner\"{}",
        "]".to_owned() + tail
    )
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    workspace::run({
        let mut command = Command::new("cp");
        command.arg("-r").arg(from.join(".")).arg(to);
        command
    })
}

fn build_podman(context: &Path) -> Result<()> {
    let links = context.join("links");
    fs::create_dir_all(links.join("tmp"))?;
    for name in ["bin", "lib", "lib64"] {
        let link = links.join(name);
        if fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(format!("usr/{name}"), link)?;
        }
    }
    let home = std::env::var("HOME").context("HOME is not set")?;
    let mut command = Command::new("podman");
    command.args(["build", "--quiet", "--no-cache", "--isolation", "chroot", "--network", "host"]);
    command.args(["--volume", "/usr:/usr:ro", "--volume", "/etc/alternatives:/etc/alternatives:ro"]);
    command
        .arg(format!("--volume={home}/.rustup:/home/build/.rustup:ro"))
        .arg(format!("--volume={home}/.cargo:/home/build/.cargo"));
    command.args(["--tag", "localhost/charm-bench/runner"]).arg(context);
    let output = command.stdin(Stdio::null()).output().context("cannot start podman")?;
    let _ = Command::new("podman").args(["rmi", "--force", "localhost/charm-bench/runner"]).output();
    let _ = Command::new("podman").args(["image", "prune", "--force"]).output();
    if !output.status.success() {
        bail!("podman build failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The reference and all that it needs, as a layer on the same base would hold it.
fn reference_size(home: &Path) -> Result<u64> {
    let folder = home.join("reference");
    if !folder.is_dir() {
        console::note("installing the reference runner `charmos` with pip into a folder, to weigh it");
        let mut pip = Command::new(venv::path().join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--python-version", "3.11", "--only-binary=:all:"]);
        pip.arg("--target").arg(&folder).arg("charmos==0.5.2");
        workspace::run(pip)?;
    }
    let tar = Command::new("tar").args(["-czf", "-", "."]).current_dir(&folder).output()?;
    if !tar.status.success() {
        bail!("tar could not pack `{}`", folder.display());
    }
    Ok(tar.stdout.len() as u64)
}
