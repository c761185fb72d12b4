//! From what the agent's process says to events of its run.
//!
//! Rule: every line and every record becomes an event or is counted, in the order in which it came.

use charm_telemetry_core::protocol::{Line, parse_line, strip_marker};
use charm_telemetry_core::{EventKind, Manager, Run, RunOutcome, StreamEvent};
use serde_json::value::to_raw_value;

use super::calls::Calls;
use super::ending;
use crate::bridge::{Frame, FrameDecoder, Record};
use crate::child::{CaptureSink, CapturedLine, ChildOutcome, LineAssembler, LineLimits, Notice};
use crate::words::{counted, pass_on, say};

/// A bound of the output that is collected for agents whose output is their result.
const MAX_COLLECTED: usize = 16 * 1024 * 1024;

/// Takes what the supervisor reads.
pub(super) struct Ingest<'a> {
    run: Run,
    manager: &'a Manager,
    calls: Calls,
    /// `None` once something else than the bridge wrote to its pipe.
    decoder: Option<FrameDecoder>,
    /// Lines that came by the bridge: what Python printed.
    printed: Option<LineAssembler>,
    /// The text of stdout, if it is the agent's result.
    collected: Option<Vec<u8>>,
    /// Whether that is all of it.
    is_result_whole: bool,
    result: Option<RunOutcome>,
    /// The time limit was reached before there was a result: what the agent says in its grace is none.
    is_too_late: bool,
    malformed: u64,
}

impl<'a> Ingest<'a> {
    pub(super) fn new(run: Run, manager: &'a Manager, collects_output: bool) -> Self {
        Self {
            run,
            manager,
            calls: Calls::default(),
            decoder: Some(FrameDecoder::new()),
            printed: Some(LineAssembler::new(LineLimits::default()).keep_cr()),
            collected: collects_output.then(Vec::new),
            is_result_whole: true,
            result: None,
            is_too_late: false,
            malformed: 0,
        }
    }

    /// The run, if its agent never started.
    pub(super) fn into_run(self) -> Run {
        self.run
    }

    /// The agent's process has ended: closes what is open and says how the run ended.
    pub(super) fn finish(mut self, child: &ChildOutcome) -> (Run, RunOutcome) {
        if let Some(mut printed) = self.printed.take() {
            printed.finish(|line| self.line(&line));
        }
        self.calls.close();
        if self.malformed > 0 {
            let lines = counted(self.malformed, "line");
            say(format_args!("{lines} began with an event marker and held no event: shown as text"));
        }
        if !self.is_result_whole {
            say(
                "the output has lines of more than 1 MiB or is more than 16 MiB in all: the result is not complete",
            );
        }
        let outcome = self.outcome(child);
        (self.run, outcome)
    }

    fn outcome(&mut self, child: &ChildOutcome) -> RunOutcome {
        let ended_well = child.exit == crate::child::Exit::Code(0) && !child.timed_out;
        match (self.result.take(), self.collected.take()) {
            (Some(result), _) if result.is_error() && child.stopped_by.is_some() => {
                RunOutcome::error(&ending::of_stopped(child, &result.message()))
            }
            (Some(result), _) if !self.is_too_late => result,
            (None, Some(output)) if ended_well && child.stopped_by.is_none() => {
                let output = String::from_utf8_lossy(&output);
                RunOutcome::success(&to_raw_value(&output).expect("a string can always be written"))
            }
            _ => RunOutcome::error(&ending::without_result(child)),
        }
    }

    /// A line of the agent's stdout, by whichever pipe.
    fn line(&mut self, line: &CapturedLine<'_>) {
        match parse_line(line.bytes) {
            Line::Event(event) if event.kind == "delta" => self.delta(event),
            Line::Event(event) => self.run.event(event.into()),
            Line::Malformed(_) => {
                self.malformed += 1;
                self.text(line);
            }
            Line::Text(_) => self.text(line),
        }
    }

    /// A token that the agent wrote as an event line: exporters get it as a token.
    fn delta(&mut self, event: charm_telemetry_core::protocol::EventLine<'_>) {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Delta {
            #[serde(rename = "type")]
            _type: String,
            content: String,
        }
        match serde_json::from_str::<Delta>(event.json) {
            Ok(delta) => self.calls.token(&self.run, "", &delta.content),
            // Whatever else it holds must not be lost.
            Err(_) => self.run.event(event.into()),
        }
    }

    fn text(&mut self, line: &CapturedLine<'_>) {
        let mut text = String::from_utf8_lossy(line.bytes).into_owned();
        // A line that was to be an event is no part of the result.
        if let Some(collected) = &mut self.collected
            && strip_marker(line.bytes).is_none()
        {
            let is_whole = !line.is_cut() && collected.len() + line.bytes.len() < MAX_COLLECTED;
            self.is_result_whole &= is_whole;
            if is_whole {
                collected.extend_from_slice(line.bytes);
                if line.has_newline {
                    collected.push(b'\n');
                }
            }
        }
        if text.trim().is_empty() {
            return;
        }
        if line.is_cut() {
            text.extend(["... (", &line.total_len.to_string(), " bytes in all)"]);
        }
        if line.has_newline {
            text.push('\n');
        }
        self.run.event(StreamEvent::thinking(&text));
    }

    /// Where the agent's own code failed, for its author: its own stderr is the place, ours if that took nothing.
    fn show_traceback(&self, traceback: &str, is_shown: bool) {
        if is_shown {
            return;
        }
        pass_on(&self.manager.redactor().text(traceback));
    }

    fn frame(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Stdout(bytes) => {
                // Taken out while its lines are handled, which needs all of us.
                let mut printed = self.printed.take().expect("frames end before the run does");
                printed.feed(bytes, |line| self.line(&line));
                self.printed = Some(printed);
            }
            Frame::Token { call, token } => self.calls.token(&self.run, &call, &token),
            Frame::Record(json) => match Record::parse(json) {
                Ok(record) => self.record(record),
                Err(error) => {
                    say(format_args!("the agent's bridge sent something that is not a record: {error}"));
                }
            },
        }
    }

    fn record(&mut self, record: Record) {
        match record {
            Record::Result { result, traceback, is_shown } => {
                self.show_traceback(&traceback, is_shown);
                let outcome = RunOutcome::from_result(result.get());
                let no_object =
                    |error| RunOutcome::error(&format!("the agent's result is not an object: {error}"));
                self.result = Some(outcome.unwrap_or_else(no_object).with_traceback(traceback));
            }
            Record::Crash { error_type, message, traceback, is_shown } => {
                self.show_traceback(&traceback, is_shown);
                let result =
                    serde_json::json!({ "status": "error", "error_type": error_type, "message": message });
                let outcome = RunOutcome::from_result(&result.to_string());
                self.result = outcome.ok().map(|outcome| outcome.with_traceback(traceback));
            }
            Record::Log { level, message } => {
                say(format_args!("{}{}", level.prefix(), self.manager.redactor().text(&message)));
            }
            Record::AgentAction { tool, tool_input, .. } => {
                self.run.emit(EventKind::AgentAction { tool, tool_input });
            }
            call => self.calls.record(&self.run, call),
        }
    }
}

impl CaptureSink for Ingest<'_> {
    fn stdout_line(&mut self, line: CapturedLine<'_>) {
        self.line(&line);
    }

    fn stderr_line(&mut self, line: CapturedLine<'_>) {
        let text = String::from_utf8_lossy(line.bytes);
        let mut text = self.manager.redactor().text(&text).into_owned();
        if line.is_cut() {
            text.extend(["... (", &line.total_len.to_string(), " bytes in all)"]);
        }
        text.push('\n');
        pass_on(&text);
    }

    fn bridge_bytes(&mut self, bytes: &[u8]) {
        // Taken out while its frames are handled, which needs all of us.
        let Some(mut decoder) = self.decoder.take() else { return };
        match decoder.feed(bytes, |frame| self.frame(frame)) {
            Ok(()) => self.decoder = Some(decoder),
            Err(error) => say(format_args!("{error}; what else comes that way is not read")),
        }
    }

    fn burst_end(&mut self) {
        self.manager.nudge();
    }

    fn is_full(&self) -> bool {
        self.manager.is_full()
    }

    fn notice(&mut self, notice: Notice) {
        if notice != Notice::TimedOut {
            return;
        }
        self.is_too_late = self.result.is_none();
        if !self.is_too_late {
            say(
                "the agent gave its result and did not end: a thread or a handler of it ran on to the time limit, where \
                 it was stopped; the result counts",
            );
        }
    }
}
