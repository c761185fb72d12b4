//! What is sent, byte by byte, and what is not.
//!
//! Rule: everything that leaves is read back by [`strict`], which believes nothing; that a receiver said 200 proves
//! nothing.

mod account;
mod bounds;
mod client_reports;
mod differences;
mod dsn;
mod end_to_end;
mod limited_losses;
mod messages;
mod options;
mod payloads;
mod rate_limits;
mod sampling;
mod script;
mod spool_losses;
mod strict;
mod strictness;
mod tracebacks;
mod values;
