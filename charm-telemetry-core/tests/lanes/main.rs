//! Exporters that sleep, hang, panic and fail: what they may not do to anybody else.
//!
//! Rule: every test ends by adding up the account.

mod exporters;
mod notices;
mod order;
mod restarts;
mod stalls;
