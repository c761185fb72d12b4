//! Images that run: in Podman under runc, and under runc alone.
//!
//! Rule: what the agent did is seen from outside of the container: on its standard output and at a receiver.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use charm_telemetry_core::testing::ReceiverDouble;
use charm_telemetry_tests::image::{Bundle, Container, LoadedImage, image, python_base, root};
use charm_telemetry_tests::requires;
use serde_json::{Value, json};

const TAG: &str = "localhost/charm-test/runner:1";
const SECRET: &str = "geheimnis-4711";

/// The runner with an exporter of a third party on a base with Python: an archive and a layout. Built once.
struct Built {
    archive: PathBuf,
    layout: PathBuf,
}

fn built() -> Option<&'static Built> {
    static BUILT: OnceLock<Built> = OnceLock::new();
    for program in ["podman", "runc", "umoci"] {
        requires::program(program)?;
    }
    let base = format!("oci:{}", python_base()?.display());
    Some(BUILT.get_or_init(|| {
        let home = root().join("target/image-test/run");
        let built = Built { archive: home.join("image.tar"), layout: home.join("layout") };
        let outputs = [format!("tar:{}", built.archive.display()), format!("oci:{}", built.layout.display())];
        let with = "charm-telemetry-webhook=examples/exporters/webhook";
        let args = ["--with", with, "--base", &base, "--tag", TAG, "--json"];
        image(args.into_iter().chain(outputs.iter().flat_map(|output| ["--output", output])), &[]).json();
        built
    }))
}

/// Loaded for one test at a time: whoever is done removes it.
fn loaded(built: &Built) -> (LoadedImage, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output =
        Command::new("podman").args(["load", "--quiet", "--input"]).arg(&built.archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(TAG), "Podman knows it by its name");
    (LoadedImage(TAG.to_owned()), alone)
}

/// The example agent, with the exporter switched on.
fn hello(folder: &Path) -> PathBuf {
    let agent = folder.join("hello");
    fs::create_dir(&agent).unwrap();
    let example = root().join("examples/agents/hello");
    fs::copy(example.join("agent.py"), agent.join("agent.py")).unwrap();
    let manifest = fs::read_to_string(example.join("charm.yaml")).unwrap();
    assert!(manifest.contains("telemetry: []"));
    fs::write(agent.join("charm.yaml"), manifest.replace("telemetry: []", "telemetry: [webhook]")).unwrap();
    agent
}

const COMMAND: [&str; 5] = ["charm", "run", ".", "--json", r#"{"input": "weather in Oslo?"}"#];

/// The events and the result on standard output, and the calls at the receiver.
fn check(output: &Output, receiver: &ReceiverDouble) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    let events: Vec<Value> = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("__CHARM_EVENT__"))
        .map(|json| serde_json::from_str(json).unwrap())
        .collect();
    let deltas = events.iter().filter(|event| event["type"] == "delta");
    let text: String = deltas.map(|event| event["content"].as_str().unwrap()).collect();
    assert!(text.contains("Oslo is") && text.ends_with("ha det bra! 👋"), "{stdout}");
    let result: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(result["status"], "success");
    assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "the secret shows");
    let requests = receiver.wait_for_requests(6, Duration::from_secs(10));
    assert_eq!(requests.len(), 6, "three tools, begun and ended");
    for request in requests {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    }
}

#[test]
fn the_archive_loaded_into_podman_runs_an_agent() {
    let Some(built) = built() else { return };
    let (image, _alone) = loaded(built);
    let folder = tempfile::tempdir().unwrap();
    let agent = hello(folder.path());
    let receiver = ReceiverDouble::start();
    let container = Container::new("agent");
    let output = container
        .run_command()
        .args(["-w", "/agent", "-e", &format!("WEBHOOK_URL={}", receiver.url("/hook"))])
        .args(["-e", &format!("WEBHOOK_TOKEN={SECRET}"), "-v", &format!("{}:/agent", agent.display())])
        .arg(&image.0)
        .args(COMMAND)
        .output()
        .unwrap();
    check(&output, &receiver);
}

#[test]
fn the_unpacked_image_runs_an_agent_under_runc_alone() {
    let Some(built) = built() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = hello(folder.path());
    let receiver = ReceiverDouble::start();
    let bundle = Bundle::unpack(&built.layout, "1", &folder.path().join("bundle"));
    let hook = format!("WEBHOOK_URL={}", receiver.url("/hook"));
    bundle.configure(&COMMAND, &[&hook, &format!("WEBHOOK_TOKEN={SECRET}")], &agent);
    check(&bundle.run_command().output().unwrap(), &receiver);
}

/// Leaves orphans behind, counts those that nobody buries, and waits to be asked to end.
const ORPHANAGE: &str = r#"
import os, pathlib, signal, sys, time

def states():
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            yield stat.read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            pass

def answer(input, callbacks):
    for _ in range(20):
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                time.sleep(0.2)
            os._exit(0)
        os.waitpid(child, 0)
    time.sleep(1)
    zombies = sum(state == "Z" for state in states())
    first = pathlib.Path("/proc/1/cmdline").read_bytes().split(b"\0")[0].decode()
    def end(*_):
        callbacks[0].on_tool_start({"name": "farewell"}, "at the end")
        print("ended on request", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print(f"first: {first}, zombies: {zombies}", flush=True)
    time.sleep(60)
"#;

#[test]
fn as_the_first_process_it_hands_on_sigterm_flushes_and_leaves_no_zombie() {
    let Some(built) = built() else { return };
    let (image, _alone) = loaded(built);
    let folder = tempfile::tempdir().unwrap();
    let agent = hello(folder.path());
    fs::write(agent.join("agent.py"), ORPHANAGE).unwrap();
    let receiver = ReceiverDouble::start();
    let container = Container::new("first");
    let mut child = container
        .run_command()
        .args(["-w", "/agent", "-e", &format!("WEBHOOK_URL={}", receiver.url("/hook"))])
        .args(["-e", &format!("WEBHOOK_TOKEN={SECRET}"), "-v", &format!("{}:/agent", agent.display())])
        .arg(&image.0)
        .args(COMMAND)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said = lines.find(|line| line.contains("zombies: ")).expect("the agent came so far");
    assert!(said.contains("first: charm, zombies: 0"), "{said}");
    let killed = Command::new("podman").args(["kill", "--signal", "TERM", &container.0]).output().unwrap();
    assert!(killed.status.success());
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("ended on request")), "the agent got the signal: {rest:?}");
    child.wait().unwrap();
    // The call that begins after the signal, and its end, because the agent left it open.
    let last = receiver.wait_for_requests(2, Duration::from_secs(10));
    for request in last {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert!(body.to_string().contains("farewell"), "what happens after the signal arrives too: {body}");
    }
}

#[test]
fn on_a_base_that_has_another_charm_ours_is_found_first_and_theirs_stays() {
    let Some(built) = built() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bundle = Bundle::unpack(&built.layout, "1", &folder.path().join("bundle"));
    let config: Value = bundle.config();
    let env = config["process"]["env"].as_array().unwrap();
    assert!(env.contains(&json!("PATH=/opt/charm/bin:/usr/local/bin:/usr/bin:/bin")), "{env:?}");
    let theirs = bundle.root().join("usr/local/bin/charm");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "#!/usr/bin/python3\nprint('theirs')\n").unwrap();
    Command::new("chmod").arg("755").arg(&theirs).status().unwrap();
    bundle.configure(&["charm", "exporters"], &[], folder.path());
    let ours = bundle.run_command().output().unwrap();
    assert!(String::from_utf8_lossy(&ours.stdout).contains("webhook"), "{ours:?}");
    bundle.configure(&["/usr/local/bin/charm"], &[], folder.path());
    let output = bundle.run_command().output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "theirs\n", "{output:?}");
}
