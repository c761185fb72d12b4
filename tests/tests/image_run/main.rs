//! Images that run: in Podman under runc, and under runc alone.
//!
//! Rule: what the agent did is seen from outside of the container: on its standard output and at a receiver.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

mod receivers;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use charm_telemetry_tests::image::{Bundle, Container, LoadedImage, image, python_base, root};
use charm_telemetry_tests::requires;
use receivers::{Receivers, SECRET, Span};
use serde_json::{Value, json};

const TAG: &str = "localhost/charm-test/runner:1";

/// The runner with two vendors' exporters on a base with Python: an archive and a layout. Built once.
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
        let args = ["--features", "otlp,sentry", "--base", &base, "--tag", TAG, "--json"];
        let report =
            image(args.into_iter().chain(outputs.iter().flat_map(|output| ["--output", output])), &[]);
        let names =
            report.json()["exporters"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(Value::Array(names), json!(["otlp", "sentry"]));
        built
    }))
}

/// The name in Podman is one: each test that uses it waits for the one before.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loaded for one test at a time: whoever is done removes it.
fn loaded(built: &Built) -> (LoadedImage, MutexGuard<'static, ()>) {
    let alone = alone();
    let output =
        Command::new("podman").args(["load", "--quiet", "--input"]).arg(&built.archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(TAG), "Podman knows it by its name");
    (LoadedImage(TAG.to_owned()), alone)
}

/// The example agent, with the exporters switched on.
fn hello(folder: &Path) -> PathBuf {
    let agent = folder.join("hello");
    fs::create_dir(&agent).unwrap();
    let example = root().join("examples/agents/hello");
    fs::copy(example.join("agent.py"), agent.join("agent.py")).unwrap();
    let manifest = fs::read_to_string(example.join("charm.yaml")).unwrap();
    assert!(manifest.contains("telemetry: []"));
    fs::write(agent.join("charm.yaml"), manifest.replace("telemetry: []", "telemetry: [otlp, sentry]"))
        .unwrap();
    agent
}

const COMMAND: [&str; 5] = ["charm", "run", ".", "--json", r#"{"input": "weather in Oslo?"}"#];

/// `podman run` of an image with this agent; the secrets come by `-e`.
fn in_podman(container: &Container, image: &LoadedImage, agent: &Path, receivers: &Receivers) -> Command {
    let mut command = container.run_command();
    receivers.give(&mut command);
    command.args(["-w", "/agent", "-v", &format!("{}:/agent", agent.display())]);
    command.arg(&image.0).args(COMMAND);
    command
}

/// The same image, unpacked for runc.
fn in_runc(built: &Built, agent: &Path, receivers: &Receivers) -> Bundle {
    let bundle = Bundle::unpack(&built.layout, "1", &agent.with_file_name("bundle"));
    let env = receivers.environment().map(|(name, value)| format!("{name}={value}"));
    bundle.configure(&COMMAND, &env.each_ref().map(String::as_str), agent);
    bundle
}

/// The events and the result on standard output, and the spans at the receivers.
fn check(output: &Output, receivers: &Receivers) {
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
    // For Sentry the model that answered is in the name too.
    let expected =
        [RUN, "chat", "execute_tool get_forecast", "execute_tool locate", "execute_tool pick_clothes"];
    for spans in receivers.wait_for(&expected) {
        check_tree(&spans);
    }
}

const RUN: &str = "invoke_agent Hello";

/// One trace; the run is the root of it, and what a tool calls hangs below that tool.
fn check_tree(spans: &[Span]) {
    assert_eq!(spans.len(), 5, "each span arrives once: {spans:?}");
    let named = |name: &str| spans.iter().find(|span| span.name.contains(name)).unwrap();
    let run = named(RUN);
    assert_eq!(run.parent, "");
    assert!(spans.iter().all(|span| span.trace == run.trace), "{spans:?}");
    assert_eq!(named("locate").parent, named("get_forecast").id);
    for name in ["chat", "get_forecast", "pick_clothes"] {
        assert_eq!(named(name).parent, run.id, "{name}");
    }
}

#[test]
fn the_archive_loaded_into_podman_runs_an_agent_and_its_spans_arrive() {
    let Some(built) = built() else { return };
    let (image, _alone) = loaded(built);
    let folder = tempfile::tempdir().unwrap();
    let (agent, receivers, container) = (hello(folder.path()), Receivers::start(), Container::new("agent"));
    check(&in_podman(&container, &image, &agent, &receivers).output().unwrap(), &receivers);
}

#[test]
fn the_unpacked_image_runs_an_agent_under_runc_alone_and_its_spans_arrive() {
    let Some(built) = built() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (agent, receivers) = (hello(folder.path()), Receivers::start());
    let bundle = in_runc(built, &agent, &receivers);
    check(&bundle.run_command().output().unwrap(), &receivers);
}

/// The runner on nothing, in whose folder of work the runner itself is the agent.
#[test]
fn on_nothing_nobody_runs_an_agent_without_shell_or_randomness_and_its_span_arrives() {
    let (Some(_), Some(_)) = (requires::program("runc"), requires::program("umoci")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (layout, outside) = (folder.path().join("layout"), folder.path().join("agent"));
    let output = format!("oci:{}", layout.display());
    image(["--features", "otlp", "--tag", "a/b:1", "--output", &output, "--json"], &[]).json();
    let bundle = Bundle::unpack(&layout, "1", &folder.path().join("bundle"));
    let entry_point = "charm-runner exporters --json";
    let manifest = format!(
        "version: \"0.4.2\"\npersona: {{name: Hello, description: Lists exporters.}}\ninterface: {{input: {{}}, output: {{}}}}\nruntime:\n  adapter: {{type: command, entry_point: {entry_point}}}\n  telemetry: [otlp]\n"
    );
    fs::write(bundle.root().join("work/charm.yaml"), manifest).unwrap();
    fs::create_dir(&outside).unwrap();
    let receivers = Receivers::start();
    let env = receivers.environment().map(|(name, value)| format!("{name}={value}"));
    let command = ["charm", "run", "/work", "--json", "{}"];
    bundle.configure(&command, &env.each_ref().map(String::as_str), &outside);
    bundle.leave_only_null(folder.path());
    let user = &bundle.config()["process"]["user"];
    assert_eq!((&user["uid"], &user["gid"]), (&json!(65532), &json!(65532)));
    let output = bundle.run_command().output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "the agent has said its piece: {stdout}");
    receivers.wait_for_otlp(RUN);
}

#[test]
fn the_command_itself_loads_the_image_into_podman() {
    let Some(_) = built() else { return };
    let _alone = alone();
    let image_name = LoadedImage("localhost/charm-test/loaded:1".to_owned());
    let base = format!("oci:{}", python_base().unwrap().display());
    let args = ["--features", "otlp,sentry", "--base", &base, "--tag", &image_name.0, "--load", "--json"];
    let report = image(args, &[]).json();
    assert_eq!(report["loaded"], "podman");
    let container = Container::new("loaded");
    let output =
        container.run_command().arg(&image_name.0).args(["charm", "exporters", "--json"]).output().unwrap();
    let exporters: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&exporters[0]["name"], &exporters[1]["name"]),
        (&json!("otlp"), &json!("sentry")),
        "{output:?}"
    );
}

#[test]
fn the_command_loads_the_image_under_each_of_its_names() {
    let Some(_) = requires::program("podman") else { return };
    let _alone = alone();
    let names = ["first", "second"].map(|name| LoadedImage(format!("localhost/charm-test/{name}:1")));
    let report = image(["--tag", &names[0].0, "--tag", &names[1].0, "--load", "--json"], &[]).json();
    for name in &names {
        let inspect = ["image", "inspect", "--format", "sha256:{{.Id}}", &name.0];
        let output = Command::new("podman").args(inspect).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), report["image_id"], "{output:?}");
    }
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

/// Starts the agent that leaves orphans behind, has it ended by `end`, and looks at what it said and what arrived.
fn check_first_process(mut command: Command, end: Command, receivers: &Receivers) {
    let mut child = Ended(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said = lines.find(|line| line.contains("zombies: ")).expect("the agent came so far");
    assert!(said.contains("first: charm, zombies: 0"), "{said}");
    let mut end = end;
    let ended = end.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("ended on request")), "the agent got the signal: {rest:?}");
    assert_eq!(child.0.wait().unwrap().code(), Some(143), "128 and the number of SIGTERM");
    // What begins after the signal, and what was open when it came: both were flushed before the end.
    receivers.wait_for(&["execute_tool farewell", RUN]);
}

/// Does not outlive the test, whatever happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // If it has ended already, there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn as_the_first_process_in_podman_it_hands_on_sigterm_flushes_and_leaves_no_zombie() {
    let Some(built) = built() else { return };
    let (image, _alone) = loaded(built);
    let folder = tempfile::tempdir().unwrap();
    let (agent, receivers, container) = (hello(folder.path()), Receivers::start(), Container::new("first"));
    fs::write(agent.join("agent.py"), ORPHANAGE).unwrap();
    let mut end = Command::new("podman");
    end.args(["kill", "--signal", "TERM", &container.0]);
    check_first_process(in_podman(&container, &image, &agent, &receivers), end, &receivers);
}

#[test]
fn as_the_first_process_under_runc_alone_it_does_the_same() {
    let Some(built) = built() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (agent, receivers) = (hello(folder.path()), Receivers::start());
    fs::write(agent.join("agent.py"), ORPHANAGE).unwrap();
    let bundle = in_runc(built, &agent, &receivers);
    check_first_process(bundle.run_command(), bundle.kill_command("TERM"), &receivers);
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
    assert!(String::from_utf8_lossy(&ours.stdout).contains("sentry"), "{ours:?}");
    bundle.configure(&["/usr/local/bin/charm"], &[], folder.path());
    let output = bundle.run_command().output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "theirs\n", "{output:?}");
}
