//! The differences between an SDK and us, and the table in a guide that lists them.
//!
//! Rule: a difference without a row fails, and so does a row without a difference: for each of its spans, for each of its
//! fields.

use std::collections::BTreeSet;

use charm_telemetry_tests::workspace;

use crate::fields::{Told, matches};
use crate::labels;

/// What stands for every span of the story: the row is one for each of them.
const EVERY: &str = "every";

/// What stands for a field that is not there.
const ABSENT: &str = "-";

/// A field that they and we say differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    span: String,
    field: String,
    theirs: String,
    ours: String,
}

/// Every difference.
pub(crate) fn differences(theirs: &Told, ours: &Told) -> Vec<Difference> {
    let labels = |told: &Told| told.iter().map(|(label, _)| label.clone()).collect::<Vec<_>>();
    let mut found = Vec::new();
    let spans: BTreeSet<_> = labels(theirs).into_iter().chain(labels(ours)).collect();
    for span in spans {
        let of = |told: &Told| {
            let fields = told.iter().find(|(label, _)| *label == span).map(|(_, fields)| fields.clone());
            fields.unwrap_or_default()
        };
        let (theirs, ours) = (of(theirs), of(ours));
        let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
        for field in names {
            let said = |fields: &crate::fields::Fields| {
                fields.get(field).map_or(ABSENT, String::as_str).replace('|', "¦").replace('\n', "↵")
            };
            if theirs.get(field) != ours.get(field) {
                let (theirs, ours) = (said(&theirs), said(&ours));
                found.push(Difference { span: span.clone(), field: field.clone(), theirs, ours });
            }
        }
    }
    found
}

/// One row of the table.
#[derive(Debug)]
struct Row {
    spans: Vec<String>,
    fields: Vec<String>,
    theirs: String,
    ours: String,
    why: String,
}

impl Row {
    fn read(line: &str) -> Self {
        let cells: Vec<_> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let [spans, fields, theirs, ours, why] = cells[..] else {
            panic!("the row has not five cells: {line}")
        };
        let list = |cell: &str| -> Vec<String> {
            cell.split(", ").map(|name| name.trim().trim_matches('`').to_owned()).collect()
        };
        let said = |cell: &str| cell.trim_matches('`').to_owned();
        let spans = list(spans);
        let of = |span: String| match span.as_str() {
            EVERY => labels().map(str::to_owned).collect(),
            _ => vec![span],
        };
        Self {
            spans: spans.into_iter().flat_map(of).collect(),
            fields: list(fields),
            theirs: said(theirs),
            ours: said(ours),
            why: why.to_owned(),
        }
    }

    /// Whether it tells this difference, in this of its spans and fields.
    fn tells(&self, span: &str, field: &str, found: &Difference) -> bool {
        let said = |cell: &str, value: &str| match cell {
            ABSENT => value == ABSENT,
            pattern => value != ABSENT && matches(pattern, value),
        };
        span == found.span
            && matches(field, &found.field)
            && said(&self.theirs, &found.theirs)
            && said(&self.ours, &found.ours)
    }

    fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        self.spans
            .iter()
            .flat_map(|span| self.fields.iter().map(move |field| (span.as_str(), field.as_str())))
    }
}

/// The rows below a mark in a guide.
fn rows(guide: &str, mark: &str) -> Vec<Row> {
    let file = workspace::root().join("docs/exporters").join(guide);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()));
    let mark = format!("<!-- {mark}: a test reads this table -->");
    let (_, table) =
        text.split_once(&mark).unwrap_or_else(|| panic!("`{}` lacks the line `{mark}`", file.display()));
    let rows = table.trim_start().lines().take_while(|line| line.starts_with('|'));
    rows.skip(2).map(Row::read).collect()
}

/// Fails unless the table below the mark lists exactly these differences, each with a reason.
#[track_caller]
pub(crate) fn check(guide: &str, mark: &str, found: &[Difference]) {
    let rows = rows(guide, mark);
    let told = |found: &&Difference| {
        rows.iter().any(|row| row.places().any(|(span, field)| row.tells(span, field, found)))
    };
    let show = |found: &Difference| {
        let Difference { span, field, theirs, ours } = found;
        format!("| {span} | `{field}` | `{theirs}` | `{ours}` | |")
    };
    let unlisted: Vec<_> = found.iter().filter(|found| !told(found)).map(show).collect();
    let mut gone = Vec::new();
    for row in &rows {
        assert!(row.why.len() > 5, "no reason: {row:?}");
        let unseen =
            row.places().filter(|(span, field)| !found.iter().any(|found| row.tells(span, field, found)));
        gone.extend(unseen.map(|(span, field)| format!("{span} `{field}`: {}", row.why)));
    }
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "docs/exporters/{guide}, {mark}: {} not listed:\n{}\n{} listed and no more:\n{}",
        unlisted.len(),
        unlisted.join("\n"),
        gone.len(),
        gone.join("\n")
    );
}
