//! OCI layouts: made by hand as bases, and read back.
//!
//! Rule: what is read back is compared with its digest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use charm_telemetry_image::Digest;
use serde_json::{Value, json};

/// A small image that is no one's, to stand on.
#[derive(Debug)]
pub struct BaseImage {
    /// Its architecture.
    pub architecture: &'static str,
    /// Its files: path and text.
    pub files: Vec<(&'static str, &'static str)>,
    /// The `config` of its configuration.
    pub config: Value,
}

impl Default for BaseImage {
    fn default() -> Self {
        Self {
            architecture: "amd64",
            files: vec![("opt/theirs", "stays\n"), ("usr/bin/charm", "theirs\n")],
            config: json!({
                "User": "1234", "Env": ["A=1", "PATH=/usr/bin:/bin"], "Cmd": ["/usr/bin/charm"],
                "Healthcheck": { "Test": ["CMD", "true"], "Interval": 5_000_000_000_u64 },
                "Labels": {
                    "team": "a", "org.opencontainers.image.title": "theirs",
                    "org.opencontainers.image.source": "https://theirs.example",
                    "org.opencontainers.image.authors": "they",
                },
            }),
        }
    }
}

impl BaseImage {
    /// Writes it as a layout of one image.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let entry = self.write_blobs(folder);
        finish(folder, &[entry]);
        folder.to_owned()
    }

    /// Writes it in Docker's family, as the folder that skopeo copies byte for byte.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_for_docker(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let put = |bytes: &[u8], kind: &str| {
            let digest = Digest::of(bytes);
            fs::write(folder.join(digest.hex()), bytes).unwrap();
            json!({ "mediaType": format!("application/vnd.docker.{kind}"), "digest": digest, "size": bytes.len() })
        };
        let (layer, diff_id) = self.layer();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": put(self.configuration(&diff_id).to_string().as_bytes(), "container.image.v1+json"),
            "layers": [put(&layer, "image.rootfs.diff.tar.gzip")],
        });
        fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    }

    fn configuration(&self, diff_id: &Digest) -> Value {
        json!({
            "architecture": self.architecture, "os": "linux", "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
            "history": [{ "created_by": "by hand" }],
        })
    }

    /// Its blobs, and the entry for an index.
    fn write_blobs(&self, folder: &Path) -> Value {
        self.write_layer(folder, self.layer())
    }

    fn write_layer(&self, folder: &Path, (layer, diff_id): (Vec<u8>, Digest)) -> Value {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        let config = self.configuration(&diff_id);
        let config = put(folder, config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        let layer = put(folder, &layer, "application/vnd.oci.image.layer.v1.tar+gzip");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            "annotations": {
                "org.opencontainers.image.title": "theirs",
                "org.opencontainers.image.source": "https://theirs.example",
                "org.opencontainers.image.authors": "they",
            },
        });
        let mut entry = put(folder, manifest.to_string().as_bytes(), MANIFEST);
        entry["platform"] = json!({ "architecture": self.architecture, "os": "linux" });
        entry
    }

    fn layer(&self) -> (Vec<u8>, Digest) {
        let files = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let path = files.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        pack(files.path())
    }
}

/// A folder as a layer, and the digest before compression.
fn pack(folder: &Path) -> (Vec<u8>, Digest) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("layer.tar");
    let status = Command::new("tar")
        .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf"])
        .arg(&path)
        .args(["-C"])
        .arg(folder)
        .arg(".")
        .status()
        .unwrap();
    assert!(status.success());
    let gzip = Command::new("gzip").args(["-n", "-c"]).arg(&path).output().unwrap();
    (gzip.stdout, Digest::of(&fs::read(&path).unwrap()))
}

/// Writes a whole file system as a layout of one image.
pub(super) fn write_rootfs(root: &Path, config: &Value, folder: &Path) {
    let image = BaseImage { config: config.clone(), ..BaseImage::default() };
    let entry = image.write_layer(folder, pack(root));
    finish(folder, &[entry]);
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Writes several images as a layout whose one entry is an index of them.
///
/// # Panics
/// If it cannot be written.
pub fn index_of(images: &[BaseImage], folder: &Path) {
    let entries: Vec<_> = images.iter().map(|image| image.write_blobs(folder)).collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
    let entry = put(folder, index.to_string().as_bytes(), media_type);
    finish(folder, &[entry]);
}

fn put(folder: &Path, bytes: &[u8], media_type: &str) -> Value {
    let digest = Digest::of(bytes);
    fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

fn finish(folder: &Path, entries: &[Value]) {
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

/// A layout with one image, read back.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    /// The digest of the manifest.
    pub digest: String,
    /// The manifest.
    pub manifest: Value,
    /// The configuration.
    pub config: Value,
}

impl Layout {
    /// Reads it.
    ///
    /// # Panics
    /// If it is not whole.
    pub fn read(folder: &Path) -> Self {
        let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let folder = folder.to_owned();
        let manifest: Value = serde_json::from_slice(&blob(&folder, &digest)).unwrap();
        let config = serde_json::from_slice(&blob(&folder, text(&manifest["config"]["digest"]))).unwrap();
        Self { folder, digest, manifest, config }
    }

    /// The entries of a layer, by path: what `tar` lists of each, and for files their bytes.
    ///
    /// # Panics
    /// If `tar` cannot read it.
    pub fn layer(&self, at: usize) -> BTreeMap<String, String> {
        let path = self.blob_path(text(&self.manifest["layers"][at]["digest"]));
        let list =
            Command::new("tar").args(["--numeric-owner", "--utc", "-tvzf"]).arg(path).output().unwrap();
        assert!(list.status.success());
        let lines = String::from_utf8(list.stdout).unwrap();
        lines.lines().map(entry).collect()
    }

    /// One file of a layer.
    ///
    /// # Panics
    /// If it is not there.
    pub fn file(&self, layer: usize, path: &str) -> Vec<u8> {
        let archive = self.blob_path(text(&self.manifest["layers"][layer]["digest"]));
        let command = Command::new("tar").arg("-xzOf").arg(archive).arg(path).stderr(Stdio::null()).output();
        let output = command.unwrap();
        assert!(output.status.success(), "no `{path}` in layer {layer}");
        output.stdout
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.manifest["layers"].as_array().map_or(0, Vec::len)
    }

    fn blob_path(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }
}

/// `-rwxr-xr-x 0/0  12 1970-01-01 00:00 path`, split where the path begins.
fn entry(line: &str) -> (String, String) {
    let words: Vec<_> = line.split_whitespace().collect();
    (words[5..].join(" "), format!("{} {} {} {}", words[0], words[1], words[3], words[4]))
}

fn blob(folder: &Path, digest: &str) -> Vec<u8> {
    let bytes = fs::read(folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))).unwrap();
    assert_eq!(Digest::of(&bytes).as_str(), digest, "a blob has the bytes of its name");
    bytes
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
