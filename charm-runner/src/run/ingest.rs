//! From what the agent's process says to events of its run.
//!
//! Rule: every line and every record becomes an event or is counted, in the order in which it came; the result is told when
//! it is known, and what an agent that runs on says follows it.

use charm_telemetry_core::protocol::{Line, parse_line, strip_marker};
use charm_telemetry_core::{EventKind, Manager, Run, RunOutcome, StreamEvent};
use serde_json::value::to_raw_value;

use super::adapter::Adapter;
use super::calls::Calls;
use super::collected::Collected;
use super::cut::{self, CutOutput};
use super::ending;
use super::held::HeldFrame;
use super::printed::Printed;
use crate::bridge::{Frame, FrameDecoder, Record};
use crate::child::{CaptureSink, CapturedLine, ChildOutcome, LineLimits, Notice, StopSignal};
use crate::cursor;
use crate::plural::counted;
use crate::stderr::{pass_on, say};

/// Takes what the supervisor reads.
pub(super) struct Ingest<'a> {
    run: Run,
    manager: &'a Manager,
    calls: Calls,
    /// `None` once something else than the bridge wrote to its pipe.
    decoder: Option<FrameDecoder>,
    /// Lines that came by the bridge: what Python printed.
    printed: Option<Printed>,
    /// The text of stdout, if it is the agent's result.
    collected: Option<Collected>,
    limits: LineLimits,
    cut: CutOutput,
    result: Option<RunOutcome>,
    /// While the result is known and not told: what has come by the bridge behind it.
    held: Option<Vec<HeldFrame>>,
    /// There is no Python that could run it.
    is_unfit: bool,
    /// The signal that the agent was asked to end with.
    stopped_by: Option<StopSignal>,
    /// The time limit was reached before there was a result: what the agent says in its grace is none.
    is_too_late: bool,
    malformed: u64,
}

/// A run whose agent has ended.
pub(super) struct Finished {
    pub(super) run: Run,
    pub(super) outcome: RunOutcome,
    pub(super) cut: CutOutput,
    /// It could not even begin, for want of a Python that is new enough.
    pub(super) is_unfit: bool,
}

impl<'a> Ingest<'a> {
    pub(super) fn new(run: Run, manager: &'a Manager, adapter: &Adapter) -> Self {
        let limits = adapter.line_limits();
        Self {
            run,
            manager,
            calls: Calls::default(),
            decoder: Some(FrameDecoder::new()),
            printed: Some(Printed::new(limits)),
            collected: adapter.collects_output().then(Collected::default),
            limits,
            cut: CutOutput::default(),
            result: None,
            held: None,
            is_unfit: false,
            stopped_by: None,
            is_too_late: false,
            malformed: 0,
        }
    }

    /// The run, if its agent never started.
    pub(super) fn into_run(self) -> Run {
        self.run
    }

    /// The agent's process has ended: closes what is open and says how the run ended.
    pub(super) fn finish(mut self, child: &ChildOutcome) -> Finished {
        self.tell_result();
        self.end_printed();
        self.calls.close();
        if self.malformed > 0 {
            let lines = counted(self.malformed, "line");
            say(format_args!("{lines} began with an event marker and held no event: shown as text"));
        }
        let lost = self.decoder.as_ref().map_or(0, FrameDecoder::lost);
        if lost > 0 {
            let records = counted(lost, "record");
            say(format_args!(
                "{records} of the agent's handlers did not arrive: the process ended or was interrupted"
            ));
        }
        let outcome = self.result.take().unwrap_or_else(|| self.outcome(child));
        self.cut.sentences(self.limits).into_iter().for_each(say);
        Finished { run: self.run, outcome, cut: self.cut, is_unfit: self.is_unfit }
    }

    /// How a run ended whose agent gave no result.
    fn outcome(&mut self, child: &ChildOutcome) -> RunOutcome {
        let ended_well = child.exit == crate::child::Exit::Code(0) && !child.timed_out;
        match self.collected.take() {
            Some(output) if ended_well && child.stopped_by.is_none() => {
                let output = self.whole_output(output);
                RunOutcome::success(&to_raw_value(&output).expect("a string can always be written"))
            }
            _ => RunOutcome::error(&ending::without_result(child)),
        }
    }

    /// The output of a command. If its end is missing, the run says so before its result.
    fn whole_output(&mut self, output: Collected) -> String {
        let (output, missing) = output.into_text(self.manager.redactor());
        if missing > 0 {
            self.cut.result(missing);
            self.run.event(StreamEvent::thinking(&format!("{}\n", cut::left_out_of_result(missing))));
        }
        output
    }

    /// The agent has said how it ended. It counts if it came in time, and the first one does.
    fn know_result(&mut self, result: RunOutcome) {
        if self.is_too_late || self.result.is_some() {
            return;
        }
        self.held = Some(Vec::new());
        self.result = Some(match self.stopped_by {
            Some(signal) if result.is_error() => {
                RunOutcome::error(&ending::of_stopped(signal, &result.message()))
            }
            _ => result,
        });
    }

    /// Tells the result behind all that the agent had said before it, and then what has come since.
    fn tell_result(&mut self) {
        let Some(held) = self.held.take() else { return };
        self.end_printed();
        self.calls.finish_models();
        if let Some(result) = &self.result {
            self.run.settle(result);
        }
        for held in held {
            self.frame(held.frame());
        }
    }

    /// What was printed without a newline at its end is a line too.
    fn end_printed(&mut self) {
        let mut printed = self.printed.take().expect("it is put back");
        printed.finish(|line| self.line(&line));
        self.printed = Some(printed);
    }

    /// A line of the agent's stdout, by whichever pipe.
    fn line(&mut self, line: &CapturedLine<'_>) {
        if line.is_cut() && strip_marker(line.bytes).is_some() {
            self.cut.event(line);
            return;
        }
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
        // Of what is whole the secrets are taken out with those of the event.
        let mut text = if line.is_cut() {
            self.cut.shown(line, self.manager.redactor()).into_owned()
        } else {
            String::from_utf8_lossy(line.bytes).into_owned()
        };
        if text.trim().is_empty() {
            return;
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
        if let Some(held) = &mut self.held {
            held.push(frame.into());
            return;
        }
        match frame {
            Frame::Stdout(bytes) => self.print(None, bytes),
            Frame::ChildStdout { process, bytes } => self.print(Some(process), bytes),
            Frame::Token { call, token } => self.calls.token(&self.run, &call, &token),
            Frame::Record(json) => match Record::parse(json) {
                Ok(record) => self.record(record),
                Err(error) => {
                    say(format_args!("the agent's bridge sent something that is not a record: {error}"));
                }
            },
        }
    }

    fn print(&mut self, process: Option<u32>, bytes: &[u8]) {
        // Taken out while its lines are handled, which needs all of us.
        let mut printed = self.printed.take().expect("it is put back");
        printed.feed(process, bytes, |line| self.line(&line));
        self.printed = Some(printed);
    }

    fn record(&mut self, record: Record) {
        match record {
            Record::Result { result, traceback, is_shown } => {
                self.show_traceback(&traceback, is_shown);
                let outcome = RunOutcome::from_result(result.get());
                let no_object =
                    |error| RunOutcome::error(&format!("the agent's result is not an object: {error}"));
                self.know_result(outcome.unwrap_or_else(no_object).with_traceback(traceback));
            }
            Record::Crash { error_type, message, traceback, is_shown } => {
                self.show_traceback(&traceback, is_shown);
                let result =
                    serde_json::json!({ "status": "error", "error_type": error_type, "message": message });
                let outcome = RunOutcome::from_result(&result.to_string());
                if let Ok(outcome) = outcome {
                    self.know_result(outcome.with_traceback(traceback));
                }
            }
            Record::Unfit { version, python } => {
                self.is_unfit = true;
                self.know_result(RunOutcome::error(&ending::unfit(&version, &python)));
            }
            Record::Log { level, message } => {
                say(format_args!("{}{}", level.prefix(), self.manager.redactor().text(&message)));
            }
            Record::AgentAction { tool, tool_input, .. } => {
                self.run.emit(EventKind::AgentAction { tool, tool_input });
            }
            mut call => {
                if let Some(traceback) = call.traceback_mut() {
                    cut::shorten(traceback, self.manager.redactor());
                }
                self.calls.record(&self.run, call);
            }
        }
    }
}

impl CaptureSink for Ingest<'_> {
    fn stdout_bytes(&mut self, bytes: &[u8]) {
        if let Some(collected) = &mut self.collected {
            collected.take(bytes);
        }
    }

    fn stdout_line(&mut self, line: CapturedLine<'_>) {
        self.line(&line);
    }

    fn stderr_line(&mut self, line: CapturedLine<'_>) {
        let mut text = self.cut.shown(&line, self.manager.redactor()).into_owned();
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

    fn awaits_stdout(&self) -> bool {
        self.held.is_some()
    }

    fn stdout_given(&mut self) {
        self.tell_result();
        self.manager.nudge();
    }

    fn notice(&mut self, notice: Notice) {
        if let Notice::Forwarded(signal) = notice {
            self.stopped_by = self.stopped_by.or(Some(signal));
            if signal == StopSignal::Int {
                // Whoever typed it sees it where the cursor stood.
                if let Some(mut cursor) = cursor::shared() {
                    cursor.moved(b"^C");
                }
            }
        }
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
