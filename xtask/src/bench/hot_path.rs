//! What a token costs, and how long it is on its way.
//!
//! Rule: an example of the core measures itself and its peer in one process; here its figures are read and judged.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

use super::Goal;
use crate::{console, workspace};

/// How many bursts of tokens the medians are of.
const BURSTS: &str = "100";

/// The figures of one run.
pub(super) struct Token {
    /// Nanoseconds to emit one.
    emit: f64,
    /// Nanoseconds to send a `String` through `std::sync::mpsc`.
    peer: f64,
    /// Microseconds until it is written to stdout: for half of the tokens, and for 99 of 100.
    arrival: [f64; 2],
}

pub(super) fn measure() -> Result<Token> {
    let arguments = ["run", "--quiet", "--release", "--package", "charm-telemetry-core"];
    let mut command = workspace::cargo(arguments);
    command.args(["--example", "hot_path", "--", "bench", BURSTS]);
    let text =
        workspace::output(&mut command).with_context(|| format!("`{}` failed", workspace::line(&command)))?;
    let figures: HashMap<&str, f64> = text.lines().filter_map(figure).collect();
    let of = |name| figures.get(name).copied().with_context(|| format!("no figure `{name}` in: {text}"));
    Ok(Token {
        emit: of("token_ns")?,
        peer: of("std_mpsc_string_ns")?,
        arrival: [of("token_to_stdout_p50_us")?, of("token_to_stdout_p99_us")?],
    })
}

fn figure(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.split_once(' ')?;
    Some((name, value.parse().ok()?))
}

impl Token {
    pub(super) fn print(&self) {
        let Self { emit, peer, arrival: [half, most] } = self;
        console::note(&format!("a token                                {emit:8.1} ns"));
        console::note(&format!("a `String` through `std::sync::mpsc`   {peer:8.1} ns"));
        console::note(&format!("from a token to stdout, half within    {half:8.0} µs"));
        console::note(&format!("                        99 % within    {most:8.0} µs"));
    }

    pub(super) fn goals(&self) -> [Goal; 2] {
        [
            Goal::at_least("a `String` through `std::sync::mpsc` / a token", 3.0, self.peer / self.emit),
            Goal::at_most("from a token to stdout, 99 % within, ms", 1.0, self.arrival[1] / 1000.0),
        ]
    }
}
