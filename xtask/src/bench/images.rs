//! Building images beside `podman build`, and their size beside the reference's.
//!
//! Rule: all build the same runner with the same exporters on the same base, after the same one-line change, and end with
//! an image that Podman has; what is measured is in one table of one run.

mod dockerfile;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Goal;
use crate::needs::Strictness;
use crate::{console, python_base, venv, workspace};
use dockerfile::Context;

/// What was measured.
pub(super) struct Images {
    ours: Duration,
    podman: Duration,
    podman_with_cache: Duration,
    base: u64,
    our_layer: Size,
    reference: Size,
}

/// A part of an image: what a registry stores and what is on disk.
#[derive(Debug, Clone, Copy)]
struct Size {
    compressed: u64,
    unpacked: u64,
}

/// Builds everything. Takes many minutes: one of the ways compiles every crate anew after a change, which is the point.
pub(super) fn measure() -> Result<Images> {
    python_base::ensure(Strictness::RequireAll)?;
    let home = workspace::target_dir().join("bench-images");
    fs::create_dir_all(&home)?;
    let base = Base::import(&home)?;
    let exporter = Exporter::write(&home.join("context/exporter"))?;
    let tool = build_tool()?;
    console::note("cargo xtask image, to warm its cache");
    build_ours(&tool, &exporter, &base)?;
    forget(OURS);
    let context = Context::write(&home.join("context"))?;
    exporter.change(1)?;
    console::note("podman build, after a one-line change: compiles every crate, as nothing is kept");
    let (podman, ()) = timed(|| context.build())?;
    let (mut ours, mut podman_with_cache, mut report) = (Vec::new(), Vec::new(), Value::Null);
    for round in 1..=ROUNDS {
        console::note(&format!(
            "round {round} of {ROUNDS}: a one-line change, and both with all that was compiled"
        ));
        exporter.change(2 * round)?;
        let (time, said) = timed(|| build_ours(&tool, &exporter, &base))?;
        forget(OURS);
        ours.push(time);
        report = said;
        exporter.change(2 * round + 1)?;
        podman_with_cache.push(timed(|| context.build())?.0);
    }
    let (ours, podman_with_cache) = (median(ours), median(podman_with_cache));
    let (our_layer, base_size) = sizes(&report)?;
    let reference = reference_size(&home)?;
    Ok(Images { ours, podman, podman_with_cache, base: base_size, our_layer, reference })
}

impl Images {
    pub(super) fn print(&self) {
        let row = |name: &str, value: String| console::note(&format!("{name:66} {value:>12}"));
        let after = "rebuild after a one-line change of an exporter";
        row(&format!("{after}, cargo xtask image"), console::humane(self.ours));
        row(&format!("{after}, podman build"), console::humane(self.podman));
        row(&format!("{after}, the same with a cache"), console::humane(self.podman_with_cache));
        for (name, size) in [("cargo xtask image", self.our_layer), ("the reference", self.reference)] {
            row(&format!("added to the base by {name}, compressed"), kilobytes(size.compressed));
            row(&format!("added to the base by {name}, on disk"), kilobytes(size.unpacked));
            row(&format!("whole image of {name}, compressed"), kilobytes(self.base + size.compressed));
        }
    }

    /// Quicker than both ways of `podman build`, and smaller than the reference.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let times = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "sizes of images are far from that")]
        let smaller = self.reference.compressed as f64 / self.our_layer.compressed as f64;
        vec![
            Goal::at_least("podman build / cargo xtask image", 1.0, times(self.podman, self.ours)),
            Goal::at_least(
                "podman build with a cache / cargo xtask image",
                1.0,
                times(self.podman_with_cache, self.ours),
            ),
            Goal::at_least("layer of the reference / ours, compressed", 1.0, smaller),
        ]
    }
}

/// In turns, because a machine is busier at one time than at another.
const ROUNDS: u64 = 3;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let started = Instant::now();
    let result = work()?;
    Ok((started.elapsed(), result))
}

fn kilobytes(bytes: u64) -> String {
    format!("{} kB", bytes / 1000)
}

fn build_tool() -> Result<PathBuf> {
    workspace::run(workspace::cargo(["build", "--quiet", "--package", "charm-telemetry-image"]))?;
    Ok(workspace::target_dir().join("debug/charm-telemetry-image"))
}

/// The base with Python, where Podman and we find it.
struct Base {
    layout: PathBuf,
}

const BASE: &str = "localhost/charm-bench/base:1";

impl Base {
    fn import(home: &Path) -> Result<Self> {
        let rootfs = workspace::target_dir().join("test-python-base/rootfs");
        let (tar, layout) = (home.join("base.tar"), home.join("base"));
        quiet(Command::new("tar").args(["--numeric-owner", "-cf"]).arg(&tar).arg("-C").arg(rootfs).arg("."))?;
        let path = "ENV PATH=/usr/local/bin:/usr/bin:/bin";
        quiet(Command::new("podman").args(["import", "--change", path]).arg(&tar).arg(BASE))?;
        let _ = fs::remove_dir_all(&layout);
        quiet(
            Command::new("podman").args(["save", "--format", "oci-dir", "--output"]).arg(&layout).arg(BASE),
        )?;
        Ok(Self { layout })
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        forget(OURS);
        forget(BASE);
    }
}

/// Before the next takes its name, or Podman would keep it without one.
fn forget(image: &str) {
    // An image that is not there need not be removed.
    let _ = quiet(Command::new("podman").args(["rmi", "--force", image]));
}

/// An exporter of a third party, with a line to change.
struct Exporter {
    folder: PathBuf,
}

impl Exporter {
    fn write(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("src"))?;
        let manifest = "[package]\nname = \"bench-exporter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                        [dependencies]\ncharm-telemetry-core = \"0.1\"\n\n[workspace]\n";
        fs::write(folder.join("Cargo.toml"), manifest)?;
        let exporter = Self { folder: folder.to_owned() };
        exporter.change(0)?;
        Ok(exporter)
    }

    fn change(&self, number: u64) -> Result<()> {
        let source = format!(
            "use charm_telemetry_core::{{HookContext, HookResult, TelemetryExporter, charm_exporter}};\n\n\
             #[charm_exporter(\"bench\")]\npub struct Bench {{ calls: u64 }}\n\n\
             impl TelemetryExporter for Bench {{\n\
             fn on_tool_start(&mut self, _: &HookContext<'_>, _: &str, _: &str) -> HookResult {{\n\
             self.calls += {number};\nOk(())\n}}\n}}\n"
        );
        Ok(fs::write(self.folder.join("src/lib.rs"), source)?)
    }
}

const OURS: &str = "localhost/charm-bench/ours:1";

/// All vendors' exporters and the one that changes; answers with the report.
fn build_ours(tool: &Path, exporter: &Exporter, base: &Base) -> Result<Value> {
    let mut command = Command::new(tool);
    command.args(["--quiet", "--json", "--load", "--tag", OURS, "--with"]);
    command.arg(format!("bench-exporter={}", exporter.folder.display()));
    command.arg(format!("--base=oci:{}", base.layout.display())).current_dir(workspace::root());
    let output = command.stderr(Stdio::inherit()).output().context("cannot start the builder of images")?;
    if !output.status.success() {
        bail!("the builder of images failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the builder of images did not answer in JSON")
}

/// Our layer, and all below it.
fn sizes(report: &Value) -> Result<(Size, u64)> {
    let number = |value: &Value| value.as_u64().context("the report of the image has no sizes");
    let layers = report["layers"].as_array().context("the report of the image has no layers")?;
    let (ours, base) = layers.split_last().context("the image has no layers")?;
    let base = base.iter().map(|layer| number(&layer["size"])).sum::<Result<u64>>()?;
    let ours = Size { compressed: number(&ours["size"])?, unpacked: number(&report["binary_size"])? };
    Ok((ours, base))
}

/// The reference and all that it needs, as a layer on the same base would hold it.
fn reference_size(home: &Path) -> Result<Size> {
    let folder = home.join("reference");
    if !folder.is_dir() {
        console::note("installing the reference runner `charmos` with pip into a folder, to weigh it");
        let mut pip = Command::new(venv::path().join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--python-version", "3.11", "--only-binary=:all:"]);
        pip.arg("--target").arg(&folder).arg(reference()?);
        workspace::run(pip)?;
    }
    let packed = |flags: &str| -> Result<u64> {
        let tar = Command::new("tar").args([flags, "-", "."]).current_dir(&folder).output()?;
        if !tar.status.success() {
            bail!("tar could not pack `{}`", folder.display());
        }
        Ok(tar.stdout.len() as u64)
    };
    Ok(Size { compressed: packed("-czf")?, unpacked: packed("-cf")? })
}

/// The version that the tests compare with.
fn reference() -> Result<String> {
    let list = fs::read_to_string(workspace::root().join("tests/requirements.txt"))?;
    let line = list.lines().find(|line| line.starts_with("charmos=="));
    line.map(str::to_owned).context("tests/requirements.txt does not name charmos")
}

fn quiet(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{}`", workspace::line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("`{}` failed: {said}", workspace::line(command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Images, Size};
    use std::time::Duration;

    /// Which goals are met if we take so many seconds and bytes beside 100 of each other.
    fn met(seconds: u64, bytes: u64) -> Vec<bool> {
        let (others, size) = (Duration::from_secs(100), |compressed| Size { compressed, unpacked: 0 });
        let images = Images {
            ours: Duration::from_secs(seconds),
            podman: others,
            podman_with_cache: others,
            base: 0,
            our_layer: size(bytes),
            reference: size(100),
        };
        images.goals().iter().map(super::Goal::print).collect()
    }

    #[test]
    fn who_is_slower_or_larger_than_the_others_misses_the_goals() {
        assert_eq!(met(99, 99), [true, true, true]);
        assert_eq!(met(101, 99), [false, false, true]);
        assert_eq!(met(99, 101), [true, true, false]);
    }
}
