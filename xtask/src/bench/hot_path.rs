//! What a token costs, and how long it is on its way.
//!
//! Rule: an example of the core measures itself and its peer in one process; here its figures are read and judged.

use anyhow::Result;

use super::Goal;
use super::figures::Figures;
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
    let figures = Figures::of(command)?;
    Ok(Token {
        emit: figures.get("token_ns")?,
        peer: figures.get("std_mpsc_string_ns")?,
        arrival: [figures.get("token_to_stdout_p50_us")?, figures.get("token_to_stdout_p99_us")?],
    })
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
