//! Images in Docker's own engine.
//!
//! Rule: a daemon of the test's own says what it has and runs it; nobody plays Docker here.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::path::Path;

use charm_telemetry_tests::image::{
    BaseImage, DockerDaemon, ExporterCrate, PASSWORD, Registry, image, programs_without,
};
use serde_json::{Value, json};

/// An image with an exporter of a third party, on a base that says much; `more` is where it goes.
fn build(folder: &Path, more: &[&str], env: &[(&str, &str)]) -> Value {
    let base = folder.join("base");
    if !base.exists() {
        BaseImage::default().write(&base);
    }
    let mine = ExporterCrate::sound(folder, "test-exporter", "counter");
    let (base, with) = (format!("oci:{}", base.display()), mine.with());
    let args = ["--base", &base, "--with", &with, "--json"];
    image(args.iter().chain(more), env).json()
}

/// The image under this name is ours, with all that its configuration says, and its runner runs.
fn check(docker: &DockerDaemon, name: &str, report: &Value) {
    let seen: Value = serde_json::from_str(&docker.said(&["image", "inspect", name])).unwrap();
    let seen = &seen[0];
    let id = &seen["Id"];
    assert!(*id == report["image_id"] || *id == report["digest"], "{name}: {id} and {report}");
    assert_eq!(seen["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    let (theirs, ours) = (BaseImage::default().config, &seen["Config"]);
    assert_eq!(ours["User"], theirs["User"]);
    assert_eq!(ours["Healthcheck"], theirs["Healthcheck"]);
    assert_eq!(ours["Env"], json!(["A=1", "PATH=/opt/charm/bin:/usr/bin:/bin"]));
    assert_eq!(ours["Cmd"], json!(["charm", "run", "."]));
    assert_eq!(ours["Labels"]["org.opencontainers.image.title"], "charm-runner");
    let exporters: Value =
        serde_json::from_str(&docker.run(name, &["charm", "exporters", "--json"])).unwrap();
    assert_eq!(exporters[0]["name"], "counter");
    assert_eq!(exporters.as_array().unwrap().len(), 1);
}

#[test]
fn docker_loads_the_archive_under_both_its_names_and_runs_it() {
    let Some(docker) = DockerDaemon::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("image.tar").display().to_string();
    let place = format!("tar:{archive}");
    let names = ["localhost/charm-test/docker:1", "team/docker:2"];
    let report = build(folder.path(), &["--tag", names[0], "--tag", names[1], "--output", &place], &[]);
    docker.said(&["load", "--input", &archive]);
    for name in names {
        check(&docker, name, &report);
    }
}

#[test]
fn the_command_itself_loads_the_image_into_docker() {
    let Some(docker) = DockerDaemon::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Of two engines Podman is asked first.
    let programs = programs_without(&["podman"]);
    let env = [("PATH", programs.path().display().to_string()), ("DOCKER_HOST", docker.host())];
    let env = [(env[0].0, env[0].1.as_str()), (env[1].0, env[1].1.as_str())];
    let name = "localhost/charm-test/docker-loaded:1";
    let report = build(folder.path(), &["--tag", name, "--load"], &env);
    assert_eq!(report["loaded"], "docker");
    check(&docker, name, &report);
}

#[test]
fn docker_pulls_by_digest_what_was_pushed() {
    let Some(docker) = DockerDaemon::start() else { return };
    let Some(registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let login = registry.docker_config(PASSWORD).display().to_string();
    let tag = format!("{}/team/runner:1", registry.address);
    let report = build(folder.path(), &["--tag", &tag, "--push"], &[("DOCKER_CONFIG", &login)]);
    let name = report["pushed"][0]["reference"].as_str().unwrap();
    let pulled = docker.docker(&["pull", "--quiet", name]).env("DOCKER_CONFIG", &login).output().unwrap();
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    check(&docker, name, &report);
}
