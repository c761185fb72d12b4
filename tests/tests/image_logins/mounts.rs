//! A registry, or its service of tokens, that does not let a layer be taken from another repository.
//!
//! Rule: whatever the refusal, the layer is sent instead, and the push succeeds.

use std::fs;

use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use charm_telemetry_tests::image::{BaseImage, Layout, PASSWORD, USER, image};
use charm_telemetry_tests::requires;
use serde_json::json;

use super::token_service::TokenService;
use super::{auths, blob_path, push, registry_with_tokens_of};

const REFUSALS: [u16; 3] = [401, 403, 404];

#[test]
fn without_a_token_for_both_repositories_the_layer_is_sent() {
    let Some(_) = requires::program("openssl") else { return };
    for status in REFUSALS {
        let service = TokenService::start_without_mounts(status);
        let Some((registry, service)) = registry_with_tokens_of(service, "team/base:1") else { return };
        let entry = json!({ "username": USER, "password": PASSWORD });
        let pushed = push(&registry, &auths(&registry, &entry), &[]).json()["pushed"][0].clone();
        assert_eq!((&pushed["mounted"], &pushed["uploaded"]), (&json!(0), &json!(3)), "{status}");
        let asked = service.asked();
        let for_both = |line: &&String| line.matches("scope=").count() == 2;
        assert_eq!(asked.iter().filter(for_both).count(), 1, "{status}: {asked:?}");
    }
}

/// A registry by script that wants a password and answers like this when it is to mount.
fn registry_that_answers_mounts_with(status: u16) -> ReceiverDouble {
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    let manifest = fs::read(blob_path(&base, &Layout::read(&base).digest)).unwrap();
    let registry = ReceiverDouble::start();
    registry.answer_with(move |request| {
        let _keep = &folder;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if request.header("authorization").is_none() {
            return Answer::new(401).header("WWW-Authenticate", "Basic realm=\"test\"");
        }
        match (request.method.as_str(), path.rsplit('/').nth(1).unwrap_or_default()) {
            ("GET", "manifests") => Answer::new(200).body(manifest.clone()),
            ("GET", _) => Answer::new(200).body(fs::read(blob_path(&base, path)).unwrap()),
            ("HEAD", _) => Answer::new(404),
            ("POST", _) if query.starts_with("mount=") => Answer::new(status),
            ("POST", _) => Answer::new(202).header("Location", "/upload?session=1"),
            _ => Answer::new(201),
        }
    });
    registry
}

#[test]
fn a_registry_that_does_not_mount_is_sent_the_layer() {
    for status in REFUSALS {
        let registry = registry_that_answers_mounts_with(status);
        let (host, folder) = (registry.address().to_string(), tempfile::tempdir().unwrap());
        let login = json!({ "auths": { &host: { "username": USER, "password": PASSWORD } } });
        fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
        let (base, tag) = (format!("{host}/team/base:1"), format!("{host}/team/runner:1"));
        let config = folder.path().display().to_string();
        let args = ["--base", &base, "--tag", &tag, "--push", "--json"];
        let report = image(args, &[("DOCKER_CONFIG", config.as_str())]).json();
        let pushed = &report["pushed"][0];
        assert_eq!((&pushed["mounted"], &pushed["uploaded"]), (&json!(0), &json!(3)), "{status}");
        let asked = registry.requests();
        assert!(asked.iter().any(|request| request.path.contains("mount=")), "{status}");
        assert_eq!(asked.last().unwrap().path, "/v2/team/runner/manifests/1", "{status}");
    }
}
