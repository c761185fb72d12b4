//! An agent that says what it is told to in every place from which words may leave, and four vendors that listen.
//!
//! Rule: everything that left is here, as it left and decompressed; what a test does not look at, it does not know.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use tempfile::TempDir;

use crate::process::{self, Finished};
use crate::{binaries, receivers, requires};

/// One word for each place; the agent adds the values of the variables that `SAY` names.
pub const PLACES: [&str; 12] = [
    "QUESTION", "PROMPT", "ANSWER", "ARGUMENT", "RESULT", "QUERY", "DOCUMENT", "ACTION", "MISHAP", "REFUSAL",
    "LOST", "FAILURE",
];

const MANIFEST: &str = r#"version: "0.4.2"
persona: {name: Talkative, description: Says everything everywhere}
interface: {input: {type: object}, output: {type: object}}
runtime:
  adapter:
    type: python
    entry_point: agent:run
    environment_variables: {models: [MODEL_KEY], tools: [TOOL_KEY]}
  telemetry: [datadog, langsmith, otlp, sentry]
"#;

const AGENT: &str = r#"
import os
import traceback


class Message:
    def __init__(self, type, content):
        self.type, self.content = type, content


class Document:
    def __init__(self, page_content):
        self.page_content, self.metadata = page_content, {"source": say("DOCUMENT")}


class Action:
    def __init__(self, tool, tool_input):
        self.tool, self.tool_input = tool, tool_input


def say(place):
    values = [os.environ[name] for name in os.environ.get("SAY", "").split(",") if name]
    return " ".join([place] + ["<%s>" % value for value in values])


def run(input, callbacks):
    handler = callbacks[0]
    print("PRINTED", say(""))
    handler.on_chat_model_start({"kwargs": {"model": "gpt-x"}}, [[Message("human", say("PROMPT"))]], run_id="m")
    answer = say("ANSWER")
    for at in range(0, len(answer), 3):
        handler.on_llm_new_token(answer[at : at + 3], run_id="m")
    handler.on_llm_end(Message("ai", answer), run_id="m")
    handler.on_agent_action(Action("search", {"q": say("ACTION")}), run_id="a")
    handler.on_retriever_start({"name": "library"}, say("QUERY"), run_id="r")
    handler.on_retriever_end([Document(say("DOCUMENT"))], run_id="r")
    handler.on_tool_start({"name": "search"}, {"q": say("ARGUMENT")}, run_id="t")
    handler.on_tool_end({"found": [say("RESULT")]}, run_id="t")
    handler.on_tool_start({"name": "broken"}, say("ARGUMENT"), run_id="b")
    try:
        raise KeyError(say("MISHAP"))
    except KeyError:
        handler.on_tool_error(traceback.format_exc(), run_id="b")
    handler.on_chat_model_start({"kwargs": {"model": "gpt-x"}}, [[Message("human", say("PROMPT"))]], run_id="n")
    handler.on_llm_error(RuntimeError(say("REFUSAL")), run_id="n")
    handler.on_retriever_start({"name": "library"}, say("QUERY"), run_id="s")
    handler.on_retriever_error(LookupError(say("LOST")), run_id="s")
    if input.startswith("fail"):
        raise ValueError(say("FAILURE"))
    return {"status": "success", "output": {"text": answer}}
"#;

/// A key, and the only header of the only vendor in which it may leave.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The variable that holds it, in one of its spellings.
    pub variable: &'static str,
    /// The secret part of it.
    pub secret: &'static str,
    /// Whose requests carry it; empty for what leaves nowhere.
    pub vendor: &'static str,
    /// In which header.
    pub header: &'static str,
}

/// Every secret of a run: those of the vendors, one that the manifest names, and one of `.env`.
pub const KEYS: [Key; 6] = [
    Key { variable: "DD_API_KEY", secret: "dd-0123456789abcdef", vendor: "datadog", header: "dd-api-key" },
    Key {
        variable: "LANGSMITH_API_KEY",
        secret: "lsv2_pt_0123456789",
        vendor: "langsmith",
        header: "x-api-key",
    },
    Key {
        variable: "OTEL_EXPORTER_OTLP_HEADERS",
        secret: "otlp-0123456789",
        vendor: "otlp",
        header: "authorization",
    },
    Key { variable: "SENTRY_DSN", secret: "sesame-0123456789", vendor: "sentry", header: "x-sentry-auth" },
    Key { variable: "MODEL_KEY", secret: "sk-m\u{f6}del\"quoted\\key", vendor: "", header: "" },
    Key { variable: "TOOL_KEY", secret: "tool-key-of-the-file", vendor: "", header: "" },
];

/// The agent in a folder, and what it is heard by.
pub struct Talkative {
    /// The receivers, by exporter.
    pub vendors: [(&'static str, ReceiverDouble); 4],
    scratch: TempDir,
    venv: requires::Venv,
}

impl Talkative {
    /// `None` after saying that the calling test is skipped.
    ///
    /// # Panics
    /// The scratch folder cannot be written to.
    pub fn new() -> Option<Self> {
        let (venv, scratch) = (requires::venv()?, tempfile::tempdir().expect("a scratch folder"));
        let tool_key = KEYS.iter().find(|key| key.variable == "TOOL_KEY").expect("there is one").secret;
        let dot_env = format!("TOOL_KEY={tool_key}\n");
        for (name, text) in [("charm.yaml", MANIFEST), ("agent.py", AGENT), (".env", dot_env.as_str())] {
            fs::write(scratch.path().join(name), text).expect("the scratch folder can be written to");
        }
        let vendors = ["datadog", "langsmith", "otlp", "sentry"].map(|name| (name, vendor(name)));
        Some(Self { vendors, scratch, venv })
    }

    /// Every vendor answers with this from now on.
    pub fn all_answer(&self, status: u16) {
        for (_, double) in &self.vendors {
            double.answer_always(Answer::new(status));
        }
    }

    /// Runs it with these variables besides what every run has.
    ///
    /// # Panics
    /// It does not end, or a vendor refuses what it is sent.
    pub fn run(&self, input: &str, variables: &[(&str, &str)]) -> Finished {
        let mut command = Command::new(binaries::runner());
        command.args(["run", ".", "--telemetry-report=json", "--input", input]).current_dir(&self.scratch);
        command.env_clear().env("PATH", self.venv.bin()).env("CHARM_STATE_DIR", self.state());
        let of = |name| &self.vendors.iter().find(|(vendor, _)| *vendor == name).expect("all are there").1;
        let key = |name| KEYS.iter().find(|key| key.variable == name).expect("all are there").secret;
        command.env("DD_API_KEY", key("DD_API_KEY")).env("DD_LLMOBS_OVERRIDE_ORIGIN", of("datadog").url(""));
        command.env("LANGSMITH_API_KEY", key("LANGSMITH_API_KEY"));
        command.env("LANGSMITH_ENDPOINT", of("langsmith").url(""));
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", of("otlp").url(""));
        let headers = format!("authorization=Bearer%20{}", key("OTEL_EXPORTER_OTLP_HEADERS"));
        command.env("OTEL_EXPORTER_OTLP_HEADERS", headers);
        let dsn = format!("http://public:{}@", key("SENTRY_DSN"));
        command.env("SENTRY_DSN", of("sentry").url("/42").replacen("http://", &dsn, 1));
        command.env("MODEL_KEY", key("MODEL_KEY")).envs(variables.iter().copied());
        let finished = process::run(command, self.scratch.path());
        assert!(!finished.stderr.contains("answered 400"), "{}", finished.stderr);
        finished
    }

    /// What a vendor was sent since the last time.
    ///
    /// # Panics
    /// There is no such vendor.
    pub fn take(&self, vendor: &str) -> Vec<RecordedRequest> {
        let found = self.vendors.iter().find(|(name, _)| *name == vendor);
        found.expect("there are four").1.take_requests()
    }

    /// Every file that a run has left behind, the agent's own aside: its name and its bytes.
    ///
    /// # Panics
    /// They cannot be read.
    pub fn left_behind(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(&self.state(), &mut files);
        files
    }

    fn state(&self) -> PathBuf {
        self.scratch.path().join("state")
    }
}

fn vendor(name: &str) -> ReceiverDouble {
    let double = ReceiverDouble::start();
    match name {
        "datadog" => double.answer_with(|request| receivers::datadog_answer(request, KEYS[0].secret)),
        "langsmith" => double.answer_with(|request| match request.path.as_str() {
            "/info" => Answer::new(200).body("{}"),
            _ => Answer::new(202),
        }),
        _ => {}
    }
    double
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = fs::read(&path).expect("the file can be read");
            files.push((path, bytes));
        }
    }
}
