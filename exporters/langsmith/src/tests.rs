//! The exporter against a receiver that checks every rule of LangSmith's ingestion, as far as they are known.
//!
//! Rule: what was sent is read back from the bytes; that the receiver said 202 proves nothing.

mod age;
mod answers;
mod checker;
mod configuration;
mod early;
mod end_to_end;
mod payload;
mod properties;
mod refusals;
mod sdk;
mod support;
