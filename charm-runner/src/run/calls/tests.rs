//! Records as they come from the agent's side, and the events that become of them.
//! Rule: a record is told whatever came before it, and a call knows the call that it was made in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use charm_telemetry_core::{HookContext, HookResult, Manager, PipeWriter, RawValue, TelemetryExporter};
use serde_json::json;

use super::*;

/// Writes down every event with its call and the call that this was made in.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    #[expect(clippy::unnecessary_wraps, reason = "the answer of every hook")]
    fn note(&self, cx: &HookContext<'_>, what: &str) -> HookResult {
        let name = |call: Option<charm_telemetry_core::CallId>| {
            call.map_or("-".to_owned(), |call| call.get().to_string())
        };
        let line = format!("{} in {}: {what}", name(cx.call_id()), name(cx.parent_call_id()));
        self.0.lock().expect("nobody panics in here").push(line);
        Ok(())
    }
}

impl TelemetryExporter for Notes {
    fn on_llm_start(&mut self, cx: &HookContext<'_>, _start: &LlmStart) -> HookResult {
        self.note(cx, "llm")
    }
    fn on_llm_end(&mut self, cx: &HookContext<'_>, _end: &LlmEnd) -> HookResult {
        self.note(cx, "llm ends")
    }
    fn on_tool_error(&mut self, cx: &HookContext<'_>, tool_name: &str, _error: &str) -> HookResult {
        self.note(cx, &format!("{tool_name} fails"))
    }
    fn on_tool_start(&mut self, cx: &HookContext<'_>, tool_name: &str, _input: &str) -> HookResult {
        self.note(cx, tool_name)
    }
    fn on_tool_end(&mut self, cx: &HookContext<'_>, tool_name: &str, _output: &str) -> HookResult {
        self.note(cx, &format!("{tool_name} ends"))
    }
    fn on_retriever_start(&mut self, cx: &HookContext<'_>, name: &str, query: &str) -> HookResult {
        self.note(cx, &format!("{name} {query}"))
    }
    fn on_retriever_end(&mut self, cx: &HookContext<'_>, documents: &RawValue) -> HookResult {
        self.note(cx, documents.get())
    }
    fn on_retriever_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        self.note(cx, error)
    }
}

/// What is told of these records.
fn told(records: &[Value]) -> Vec<String> {
    let notes = Notes::default();
    let stdout = PipeWriter::new(tempfile::tempfile().expect("there is room for a file"));
    let builder = Manager::builder().stdout(stdout).exporter("notes", notes.clone());
    let manager = builder.start().expect("nothing is wrong with it");
    let run = manager.start_run(&"hi");
    let mut calls = Calls::default();
    for record in records {
        calls.record(&run, serde_json::from_value(record.clone()).expect("it is a record"));
    }
    calls.close();
    run.finish("done");
    assert!(manager.shutdown(Duration::from_secs(20)).is_balanced());
    let told = notes.0.lock().expect("nobody panics in here");
    told.clone()
}

#[test]
fn a_search_knows_the_call_it_is_made_in_and_is_one_for_others() {
    let start = |call: &str, parent: Value| json!({"type": "retriever_start", "call": call, "parent": parent, "name": "wiki", "query": call});
    let end = |call: &str| json!({"type": "retriever_end", "call": call, "name": "wiki", "documents": []});
    let told = told(&[
        json!({"type": "tool_start", "call": "t", "tool": "outer", "input": ""}),
        start("in tool", json!("t")),
        json!({"type": "llm_start", "call": "l", "parent": "in tool"}),
        start("in llm", json!("l")),
        start("in search", json!("in llm")),
        json!({"type": "tool_start", "call": "u", "parent": "in search", "tool": "inner", "input": ""}),
        start("alone", Value::Null),
        end("in search"),
    ]);
    let expected = [
        "1 in -: outer",
        "2 in 1: wiki in tool",
        "3 in 2: llm",
        "4 in 3: wiki in llm",
        "5 in 4: wiki in search",
        "6 in 5: inner",
        "7 in -: wiki alone",
        "5 in 4: []",
    ];
    let first: Vec<_> = told.iter().take(expected.len()).collect();
    assert_eq!(first, expected);
}

#[test]
fn the_end_of_a_search_that_nobody_began_is_told_as_of_no_call() {
    let told = told(&[
        json!({"type": "tool_start", "call": "t", "tool": "outer", "input": ""}),
        json!({"type": "retriever_end", "call": "x", "name": "wiki", "documents": [{"page_content": "d"}]}),
        json!({"type": "retriever_error", "call": "t", "name": "wiki", "error": "no index"}),
        json!({"type": "tool_end", "call": "t", "tool": "outer", "output": ""}),
    ]);
    let expected =
        ["1 in -: outer", r#"- in -: [{"page_content":"d"}]"#, "- in -: no index", "1 in -: outer ends"];
    assert_eq!(told, expected);
}

#[test]
fn calls_that_nobody_ended_are_closed_in_the_order_in_which_they_were_begun() {
    let llm = |call: usize| json!({"type": "llm_start", "call": call.to_string()});
    let mut records: Vec<_> = (0..20).map(llm).collect();
    records.insert(10, json!({"type": "tool_start", "call": "t", "tool": "tool", "input": ""}));
    let told = told(&records);
    let ends: Vec<_> = told[records.len()..].iter().map(String::as_str).collect();
    let models = (1..=21).filter(|number| *number != 11);
    let expected: Vec<_> = models.map(|number| format!("{number} in -: llm ends")).collect();
    assert_eq!(ends, expected, "of a tool nothing is known");
}
