//! The differences from the reference that we want: a table in `docs/protocol.md`.
//!
//! Rule: the documentation is what the test reads, so that neither can say something else.

use super::rewrites::rewrite_named;
use crate::workspace;

/// The line before the table.
const MARK: &str = "<!-- differences: a test reads this table -->";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The name of the row, and of the rewrite that the test applies for it.
    pub id: String,
    /// What the reference does.
    pub reference: String,
    /// What we do, and why.
    pub ours: String,
    /// The agents that show it; `*` stands for any.
    pub agents: Vec<String>,
}

impl Difference {
    /// Whether the test knows what the row means.
    pub fn is_known(&self) -> bool {
        rewrite_named(&self.id).is_some()
    }

    /// Whether the row is about that agent.
    pub fn concerns(&self, agent: &str) -> bool {
        self.agents.iter().any(|name| name == agent || name == "*")
    }
}

/// The rows of the table.
///
/// # Panics
/// If the table isn't there or a row has not four cells.
pub fn differences() -> Vec<Difference> {
    let file = workspace::root().join("docs/protocol.md");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()));
    let (_, table) =
        text.split_once(MARK).unwrap_or_else(|| panic!("`{}` lacks the line `{MARK}`", file.display()));
    let rows = table.trim_start().lines().take_while(|line| line.starts_with('|'));
    // The head and the rule below it.
    rows.skip(2).map(row).collect()
}

fn row(line: &str) -> Difference {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [id, reference, ours, agents] = cells[..] else { panic!("the row has not four cells: {line}") };
    let unquoted = |cell: &str| cell.trim().trim_matches('`').to_owned();
    Difference {
        id: unquoted(id),
        reference: reference.to_owned(),
        ours: ours.to_owned(),
        agents: agents.split(',').map(unquoted).collect(),
    }
}
