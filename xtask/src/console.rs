//! What a task says while it works.
//!
//! Rule: a section says what begins, a note says one fact, an error ends with the way out.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Begins a part of the work.
pub(crate) fn section(title: &str) {
    say(&format!("\n{}", bold(&format!("== {title}"))));
}

/// One fact, indented below its section.
pub(crate) fn note(text: &str) {
    for line in text.lines() {
        say(&format!("   {line}"));
    }
}

/// Why the task stops.
pub(crate) fn error(error: &anyhow::Error) {
    say(&format!("\n{}: {error:#}", bold("error")));
}

/// A duration to read, not to calculate with.
pub(crate) fn humane(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..=119 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

fn bold(text: &str) -> String {
    if std::io::stderr().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// To stderr, where cargo speaks too, so that both stay in order. A closed stderr is not worth a panic.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
