//! The real binary, started as its users start it.
//! The one rule: each test writes a project of its own, and what it starts is gone when it ends.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod capture;
mod command_line;
mod ends;
mod inputs;
mod names;
mod project;
mod screen;
mod secrets;
