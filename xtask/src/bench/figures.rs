//! Figures that a measuring program prints: a name and a number a line.
//!
//! Rule: what is not a figure is ignored; a figure that is missing is an error with all that was printed.

use std::collections::HashMap;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace;

pub(super) struct Figures {
    text: String,
    all: HashMap<String, f64>,
}

impl Figures {
    /// Runs a command and reads what it prints.
    pub(super) fn of(mut command: Command) -> Result<Self> {
        let text = workspace::output(&mut command)
            .with_context(|| format!("`{}` failed", workspace::line(&command)))?;
        let all = text.lines().filter_map(figure).collect();
        Ok(Self { text, all })
    }

    pub(super) fn get(&self, name: &str) -> Result<f64> {
        self.all.get(name).copied().with_context(|| format!("no figure `{name}` in: {}", self.text))
    }
}

fn figure(line: &str) -> Option<(String, f64)> {
    let (name, value) = line.trim().rsplit_once(' ')?;
    Some((name.to_owned(), value.parse().ok()?))
}
