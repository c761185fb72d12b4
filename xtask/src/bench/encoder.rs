//! What it costs to write a span of OTLP, beside the official types.
//!
//! Rule: a test of the exporter measures both in one process, after it has seen that they write the same.

use anyhow::Result;

use super::Goal;
use super::figures::Figures;
use crate::{console, workspace};

const TEST: &str = "our_encoder_and_the_official_one_write_the_same_span";

pub(super) fn measure() -> Result<Goal> {
    console::section("Writing a span of OTLP");
    let arguments = ["test", "--quiet", "--release", "--package", "charm-telemetry-otlp", "--lib"];
    let mut command = workspace::cargo(arguments);
    command.args(["--", "--nocapture", TEST]);
    let figures = Figures::of(command)?;
    let (ours, theirs) = (figures.get("otlp_span_ns")?, figures.get("otlp_span_official_types_ns")?);
    console::note(&format!("a span                                 {ours:8.0} ns"));
    console::note(&format!("with opentelemetry-proto and prost     {theirs:8.0} ns"));
    Ok(Goal::at_least("OTLP: the official types / our encoder", 1.0, theirs / ours))
}
