//! The bytes of an image, from what goes in to the archive, without a compiler.

use serde_json::json;

use super::*;
use crate::epoch::Epoch;
use crate::runner::{Exporter, Graph};

/// Two crates, of which one is linked, and a runner that is none.
fn runner() -> Runner {
    let package = |name: &str, license: &str| {
        json!({
            "id": name, "name": name, "version": "1.2.3+a", "license": license, "description": "Does\n one thing.",
            "source": "registry", "manifest_path": "/somewhere/Cargo.toml", "dependencies": [],
            "targets": [{ "name": name, "kind": ["lib"] }], "features": {},
        })
    };
    let metadata = json!({
        "packages": [package("root", "MIT"), package("b", "MIT/Apache-2.0"), package("a", "ISC")],
        "workspace_root": "/somewhere", "target_directory": "/somewhere/target",
        "resolve": { "root": "root", "nodes": [
            { "id": "root", "features": [], "deps": [
                { "pkg": "b", "dep_kinds": [{ "kind": null }] }, { "pkg": "a", "dep_kinds": [{ "kind": "build" }] },
            ] },
            { "id": "b", "features": [], "deps": [] }, { "id": "a", "features": [], "deps": [] },
        ] },
    });
    let exporter =
        |name: &str| Exporter { name: name.into(), crate_name: name.into(), version: "1.0.0".into() };
    Runner {
        binary: b"#!/bin/sh\necho runner\n".repeat(1000),
        exporters: vec![exporter("otlp"), exporter("sentry")],
        graph: Graph::from_json(metadata),
    }
}

fn request() -> ImageRequest {
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut request = ImageRequest::new();
    request.platform = "linux/amd64".parse().unwrap();
    request.tags = vec!["a/b:1".parse().unwrap(), "ghcr.io/c/d:2".parse().unwrap()];
    request.start.labels = pairs(&[("z", "1"), ("a", "2"), ("m", "3"), ("k", "4")]);
    request.start.env = pairs(&[("Z", "1"), ("A", "2")]);
    request.annotations = pairs(&[("y", "1"), ("b", "2"), ("x", "3")]);
    request.time = Epoch(1_700_000_000);
    request
}

fn image_of(request: &ImageRequest) -> Image {
    let base = Base::open(&request.base, &request.platform).unwrap();
    assemble(request, base, &runner()).unwrap().image
}

/// The digests of the manifest, the configuration and the archive.
fn digests() -> [String; 3] {
    let request = request();
    let image = image_of(&request);
    let (folder, progress) = (tempfile::tempdir().unwrap(), Progress::silent());
    let (file, cache) = (folder.path().join("image.tar"), BlobCache::new(folder.path(), &progress));
    output::write_archive(&image, &request.tags, &file, None, &cache).unwrap();
    let archive = crate::digest::Digest::of(&std::fs::read(file).unwrap());
    [image.digest, image.config_descriptor.digest, archive].map(|digest| digest.to_string())
}

/// If this changes, every image changes its digest. It may: our version is in it, and a new one of `tar`, `miniz_oxide`
/// or `serde_json` may write other bytes. Then say so in the change log and take the new digests. A feature that another
/// crate switches on (`serde_json/preserve_order`) is no reason.
#[test]
fn the_image_is_the_one_of_yesterday() {
    let expected = [
        "sha256:d9ca548aa0d1396682501aba6dd2367955844086f72107f2db06c65b8e79c071",
        "sha256:8b3cfa450cf89f1b14f944afe825bd0949041a1649f20fb0ca9b53dbb5f6225b",
        "sha256:fe7bed10dd14ce82af7966c2bc92d07e1d0bef1fc7336ea069e64adc03c25479",
    ];
    assert_eq!(digests(), expected);
}

#[test]
fn an_image_that_is_made_again_is_the_same() {
    let first = digests();
    for _ in 0..8 {
        assert_eq!(digests(), first);
    }
}

/// Writes an image with this label a few times into a folder where older ones of it are.
fn write_often(folder: &std::path::Path, label: &str) {
    let mut request = request();
    request.start.labels.insert("n".to_owned(), label.to_owned());
    let (image, progress) = (image_of(&request), Progress::silent());
    let cache = BlobCache::new(folder, &progress);
    for _ in 0..25 {
        output::write_layout(&image, &request.tags, folder, &cache).unwrap();
    }
}

#[test]
fn images_on_their_way_into_one_folder_take_turns() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    std::thread::scope(|scope| {
        for label in ["1", "2", "3", "4"] {
            scope.spawn(move || write_often(folder, label));
        }
    });
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let json = |path: &str| -> serde_json::Value { serde_json::from_str(&read(path)).unwrap() };
    let blob = |descriptor: &serde_json::Value| {
        format!("blobs/sha256/{}", descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:"))
    };
    let manifest = json(&blob(&json("index.json")["manifests"][0]));
    let layers = manifest["layers"].as_array().unwrap();
    let whole = layers.iter().chain([&manifest["config"]]).all(|part| folder.join(blob(part)).is_file());
    assert!(whole, "what the last one names is there");
    let blobs = std::fs::read_dir(folder.join("blobs/sha256")).unwrap().count();
    assert_eq!(blobs, layers.len() + 2, "nothing of the others is left");
}
