//! Tests of the trace assembler.
//!
//! Rule: a test is a list of events with their times, and a list of spans as lines.

mod bounds;
mod context;
mod feed;
mod finish_reasons;
mod ids;
mod odd;
mod pairing;
mod properties;
mod script;
mod settings;
mod unsampled;
mod values;
