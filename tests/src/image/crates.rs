//! Exporter crates of third parties, and a registry that has them.
//!
//! Rule: a crate is written as its author would have it: in a folder of its own, knowing ours by version.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use charm_telemetry_image::Digest;
use serde_json::json;

/// A crate with one exporter, or something like it.
#[derive(Debug)]
pub struct ExporterCrate {
    /// Its package.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

impl ExporterCrate {
    /// A sound one: counts tool calls.
    pub fn sound(parent: &Path, name: &str, exporter: &str) -> Self {
        Self::with_source(parent, name, &source(exporter))
    }

    /// One with this `lib.rs`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn with_source(parent: &Path, name: &str, source: &str) -> Self {
        let folder = parent.join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), source).unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.3.1\"\nedition = \"2024\"\nlicense = \"MIT\"\n\n\
             [dependencies]\ncharm-telemetry-core = \"0.1\"\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        Self { name: name.to_owned(), folder }
    }

    /// As `--with` takes it.
    pub fn with(&self) -> String {
        format!("{}={}", self.name, self.folder.display())
    }

    /// Replaces a piece of one of its files.
    ///
    /// # Panics
    /// If the piece is not there.
    pub fn replace(&self, file: &str, old: &str, new: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "`{old}` is not in {}", path.display());
        fs::write(path, text.replace(old, new)).unwrap();
    }
}

fn source(exporter: &str) -> String {
    format!(
        r#"//! Counts tool calls.
use charm_telemetry_core::{{HookContext, HookResult, TelemetryExporter, charm_exporter}};

/// Counts tool calls.
#[charm_exporter("{exporter}")]
pub struct Counter {{
    calls: u64,
}}

impl TelemetryExporter for Counter {{
    fn on_tool_start(&mut self, _cx: &HookContext<'_>, _tool_name: &str, _input: &str) -> HookResult {{
        self.calls += 1;
        Ok(())
    }}
}}
"#
    )
}

/// A registry of crates on loopback with one crate in it, in the manner of cargo's sparse ones.
#[derive(Debug)]
pub struct CrateRegistry {
    address: String,
    cached_before: BTreeSet<PathBuf>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl CrateRegistry {
    /// Serves this crate as a release of each of these versions.
    ///
    /// # Panics
    /// If it cannot be packed or no port is free.
    pub fn with(published: &ExporterCrate, versions: &[&str]) -> Self {
        let archives: BTreeMap<_, _> =
            versions.iter().map(|version| ((*version).to_owned(), pack(published, version))).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let entry = |(version, archive): (&String, &Vec<u8>)| {
            let entry = json!({
                "name": published.name, "vers": version, "cksum": Digest::of(archive).hex(),
                "features": {}, "yanked": false,
                "deps": [{
                    "name": "charm-telemetry-core", "req": "^0.1", "features": [], "optional": false,
                    "default_features": true, "target": null, "kind": "normal", "registry": CRATES_IO,
                }],
            });
            format!("{entry}\n")
        };
        let index = archives.iter().map(entry).collect();
        let config = json!({ "dl": format!("http://{address}/dl") });
        let served = Served { index, config: config.to_string(), archives };
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || served.run(&listener, &seen));
        Self { address, cached_before: cached(), stop, thread: Some(thread) }
    }

    /// The value of `CARGO_REGISTRIES_<NAME>_INDEX`.
    pub fn index(&self) -> String {
        format!("sparse+http://{}/index/", self.address)
    }
}

/// How an index names the registry that the others are in.
const CRATES_IO: &str = concat!("https://github.com/rust-lang/crates", ".io-index");

impl Drop for CrateRegistry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread; if that fails it has ended.
        let _ = TcpStream::connect(&self.address);
        let _ = self.thread.take().map(JoinHandle::join);
        // Cargo would keep what came from this port for ever.
        for folder in cached().difference(&self.cached_before) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Where cargo keeps what it fetched.
pub(super) fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// What cargo keeps of registries on this machine.
fn cached() -> BTreeSet<PathBuf> {
    let Some(registry) = cargo_home().map(|home| home.join("registry")) else { return BTreeSet::new() };
    let kinds = ["index", "cache", "src"].iter().filter_map(|kind| fs::read_dir(registry.join(kind)).ok());
    let folders = kinds.flatten().flatten().map(|entry| entry.path());
    let is_loopback = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("127.0.0.1-"))
    };
    folders.filter(is_loopback).collect()
}

struct Served {
    index: String,
    config: String,
    /// By version.
    archives: BTreeMap<String, Vec<u8>>,
}

impl Served {
    fn run(&self, listener: &TcpListener, stop: &AtomicBool) {
        for stream in listener.incoming().map_while(Result::ok) {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            // A client that goes away is its own affair.
            let _ = self.answer(stream);
        }
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let path = first.split(' ').nth(1).unwrap_or_default();
        let body = match path {
            "/index/config.json" => self.config.as_bytes(),
            _ if path.starts_with("/index/") => self.index.as_bytes(),
            // `/dl/NAME/VERSION/download`
            _ => self
                .archives
                .get(path.split('/').nth(3).unwrap_or_default())
                .map_or(&[] as &[u8], Vec::as_slice),
        };
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
        stream.write_all(body)
    }
}

/// The archive that `cargo publish` would upload.
fn pack(published: &ExporterCrate, version: &str) -> Vec<u8> {
    let inside = format!("{}-{version}", published.name);
    let line = |version: &str| format!("version = \"{version}\"\nedition");
    published.replace("Cargo.toml", &line("0.3.1"), &line(version));
    let parent = published.folder.parent().unwrap();
    let staged = parent.join(&inside);
    fs::rename(&published.folder, &staged).unwrap();
    let output = Command::new("tar").args(["-czf", "-", &inside]).current_dir(parent).output().unwrap();
    assert!(output.status.success());
    fs::rename(&staged, &published.folder).unwrap();
    published.replace("Cargo.toml", &line(version), &line("0.3.1"));
    output.stdout
}
