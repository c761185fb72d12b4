//! What is said to a person on stderr.
//!
//! Rule: one prefix, so that our words can be told from the agent's; secrets are taken out before they come here.

use std::fmt::Display;
use std::io::{self, Write};

/// Says something on stderr. A closed stderr is nobody's problem.
pub(crate) fn say(what: impl Display) {
    let mut text = String::new();
    for line in what.to_string().lines() {
        text.extend(["charm: ", line, "\n"]);
    }
    // One write, so that lines of several threads do not mix.
    let _: io::Result<()> = io::stderr().write_all(text.as_bytes());
}
