//! What a person at a terminal sees of a run, as it happens.
//!
//! Rule: everything that a pipe would get is shown, in words; nothing flickers, so that it can be scrolled and copied.

mod paint;
mod screen;
mod summary;

use std::io;

use charm_telemetry_core::{Event, EventKind, EventWriter, StreamEvent};
use serde_json::Value;

use paint::{Paint, Style};
use screen::Screen;
use summary::Summary;

use crate::{cursor, plain};

/// Of a tool's input and output so many characters are shown.
const SHOWN: usize = 160;

/// Writes a run for a person.
pub(super) struct LiveView {
    paint: Paint,
    /// What was said since the last flush.
    text: String,
    screen: Screen,
    /// The cursor stands behind tokens or a partial line.
    in_line: bool,
    summary: Summary,
}

impl LiveView {
    pub(super) fn new() -> Self {
        cursor::show_live();
        Self {
            paint: Paint::for_terminal(),
            text: String::new(),
            screen: Screen::of_stdout(),
            in_line: false,
            summary: Summary::default(),
        }
    }

    fn line(&mut self, style: Style, mark: &str, words: &str) {
        self.end_line();
        for (index, line) in plain::lines(words).trim_end().lines().enumerate() {
            let mark = if index == 0 { mark } else { " " };
            self.text.push_str(&self.paint.paint(style, &format!("{mark} {line}")));
            self.text.push('\n');
        }
    }

    fn token(&mut self, token: &str) {
        let token = plain::piece(token);
        if let Some(last) = token.chars().next_back() {
            self.text.push_str(&token);
            self.in_line = last != '\n';
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.in_line) {
            self.text.push('\n');
        }
    }

    fn stream_event(&mut self, event: &StreamEvent) {
        let object: Value = serde_json::from_str(event.json()).unwrap_or_default();
        let content = &object["content"];
        match event.kind() {
            "status" => self.line(Style::Dim, "·", &words(content)),
            "thinking" => self.line(Style::Dim, "│", &words(content)),
            "final" => {
                self.end_line();
                self.token(&plain::lines(&words(content)));
                self.end_line();
            }
            // Told by the `on_error` that comes with it.
            "error" if self.summary.has_failed() => {}
            "error" => self.line(Style::Bad, "✗", &words(content)),
            "artifact" => {
                let artifact = format!("{} {}", words(&content["name"]), words(&content["url"]));
                self.line(Style::Good, "+", &artifact);
            }
            "control" => self.line(Style::Good, "…", "waiting for you: the run can be continued"),
            "tool_usage" | "state_update" => {}
            other => self.line(Style::Dim, "·", &format!("{other} {}", words(content))),
        }
    }

    fn end_summary(&mut self) {
        if let Some((style, words)) = self.summary.take() {
            self.line(style, style.mark(), &words);
        }
    }
}

impl EventWriter for LiveView {
    fn event(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::RunStart { .. }) {
            self.end_summary();
        }
        self.summary.take_note(event);
        match &event.kind {
            EventKind::LlmNewToken { token } => self.token(token),
            EventKind::ToolStart { tool_name, input } => {
                self.line(Style::Tool, "→", &format!("{tool_name}  {}", shorten(input)));
            }
            EventKind::ToolEnd { tool_name, output } => {
                self.line(Style::Tool, "←", &format!("{tool_name}  {}", shorten(output)));
            }
            EventKind::ToolError { tool_name, error } => {
                self.line(Style::Bad, "✗", &format!("{tool_name}  {error}"));
            }
            EventKind::LlmError { error } | EventKind::Error { error } => self.line(Style::Bad, "✗", error),
            EventKind::AgentAction { tool, tool_input } => {
                self.line(Style::Dim, "│", &format!("will use {tool} with {}", shorten(tool_input)));
            }
            EventKind::Stream(event) => self.stream_event(event),
            _ => {}
        }
    }

    fn flush(&mut self) -> io::Result<bool> {
        self.screen.push(&self.text);
        self.text.clear();
        self.screen.flush()
    }

    fn is_full(&self) -> bool {
        self.screen.is_full()
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        // It was given its time: the account of the run does not wait for the last line of it.
        if self.screen.is_behind() {
            return;
        }
        self.end_line();
        self.end_summary();
        let _: io::Result<bool> = self.flush();
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
