//! Exporters with bad manners, and one with good ones.
//!
//! Rule: each does one thing wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use charm_telemetry_core::{
    EventKind, ExporterDescriptor, Factory, HookContext, HookResult, LaneReport, LlmStart, Manager, RawValue,
    Registration, Report, Run, TelemetryExporter,
};

/// Writes down what it gets.
#[derive(Clone, Default)]
pub(crate) struct Fine {
    pub(crate) seen: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Fine {
    fn note(&mut self, cx: &HookContext<'_>, what: &str) {
        self.seen.lock().expect("nobody panics in here").push((cx.sequence(), what.to_owned()));
    }

    pub(crate) fn seen(&self) -> Vec<(u64, String)> {
        self.seen.lock().expect("nobody panics in here").clone()
    }
}

impl TelemetryExporter for Fine {
    fn on_run_start(&mut self, cx: &HookContext<'_>, _inputs: &RawValue) -> HookResult {
        self.note(cx, "run_start");
        Ok(())
    }
    fn on_run_end(&mut self, cx: &HookContext<'_>, _outputs: &RawValue) -> HookResult {
        self.note(cx, "run_end");
        Ok(())
    }
    fn on_error(&mut self, cx: &HookContext<'_>, _error: &str) -> HookResult {
        self.note(cx, "error");
        Ok(())
    }
    fn on_llm_start(&mut self, cx: &HookContext<'_>, _start: &LlmStart) -> HookResult {
        self.note(cx, "llm_start");
        Ok(())
    }
    fn on_llm_new_token(&mut self, cx: &HookContext<'_>, token: &str) -> HookResult {
        self.note(cx, token);
        Ok(())
    }
    fn on_tool_start(&mut self, cx: &HookContext<'_>, tool_name: &str, _input: &str) -> HookResult {
        self.note(cx, tool_name);
        Ok(())
    }
}

/// Takes its time.
pub(crate) struct Sleeps(pub(crate) Duration);

impl TelemetryExporter for Sleeps {
    fn on_llm_new_token(&mut self, _cx: &HookContext<'_>, _token: &str) -> HookResult {
        std::thread::sleep(self.0);
        Ok(())
    }
}

/// Never comes back.
pub(crate) struct Hangs;

impl TelemetryExporter for Hangs {
    fn on_run_start(&mut self, _cx: &HookContext<'_>, _inputs: &RawValue) -> HookResult {
        loop {
            std::thread::park();
        }
    }
}

/// Panics whenever it can.
#[derive(Default)]
pub(crate) struct Panics;

static PANICS_ANEW: ExporterDescriptor = ExporterDescriptor {
    name: "panics-anew",
    type_name: "Panics",
    crate_name: "tests",
    crate_version: "0",
    doc: "",
    variables: &[],
};

const BUILD_PANICS: Factory = |_| Some(Box::new(Panics));

/// The one exporter that can be named: `panics-anew`, which is built again after each panic.
pub(crate) static REGISTRATIONS: [Registration; 1] =
    [Registration { descriptor: &PANICS_ANEW, build: BUILD_PANICS }];

impl TelemetryExporter for Panics {
    fn on_run_start(&mut self, _cx: &HookContext<'_>, _inputs: &RawValue) -> HookResult {
        panic!("no run")
    }
    fn on_run_end(&mut self, _cx: &HookContext<'_>, _outputs: &RawValue) -> HookResult {
        panic!("no end")
    }
    fn on_llm_new_token(&mut self, _cx: &HookContext<'_>, _token: &str) -> HookResult {
        // Not a string: there is nothing to print.
        std::panic::panic_any(7_u32)
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("not even that")
    }
}

/// Fails every time.
pub(crate) struct Fails;

impl TelemetryExporter for Fails {
    fn on_llm_new_token(&mut self, _cx: &HookContext<'_>, token: &str) -> HookResult {
        Err(format!("refused `{token}`").into())
    }
}

/// An agent that streams so many tokens.
pub(crate) fn stream(manager: &Manager, tokens: usize) -> Run {
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    for index in 0..tokens {
        call.token(&format!("t{index} "));
    }
    drop(call);
    run
}

/// The account of one exporter. Every account must add up.
pub(crate) fn lane<'a>(report: &'a Report, name: &str) -> &'a LaneReport {
    assert!(report.is_balanced(), "{report}");
    report.exporters.iter().find(|lane| lane.exporter == name).expect("it was activated")
}

/// Any event that carries nothing.
pub(crate) fn small_event() -> EventKind {
    EventKind::AgentAction { tool: "t".to_owned(), tool_input: String::new() }
}
