//! The Python bridge with real interpreters: every version that is at hand runs every agent.
//! The one rule: what is compared is the whole transcript, in its order.

mod calls;
mod crews;
mod endings;
mod frameworks;
mod handler;
mod harness;
mod output;
mod processes;
