//! A stack as Node writes it: `Error: text`, then `    at function (file:line:column)`, innermost first.
//!
//! Rule: only a line with a place in a file makes a stack; what stands between the stacks is properties of the error.

use super::frame::Frame;
use super::{Link, Raised, class_and_text};

/// What was raised, last first.
pub(super) fn read(text: &str) -> Vec<Raised<'_>> {
    let mut all = vec![Raised::default()];
    let mut is_text = true;
    for (number, line) in text.lines().enumerate() {
        let id = all.len() - 1;
        let trimmed = line.trim();
        if number == 0 {
            begin(&mut all[id], line);
        } else if let Some(frame) = frame(trimmed) {
            all[id].frames.push(frame);
            is_text = false;
        } else if is_nowhere(trimmed) {
            is_text = false;
        } else if is_text {
            all[id].text.push('\n');
            all[id].text.push_str(line);
        } else if let Some(cause) = trimmed.strip_prefix("[cause]: ") {
            let mut raised = Raised { parent: Some((id, Link::NodeCause)), ..Raised::default() };
            begin(&mut raised, cause);
            all.push(raised);
            is_text = true;
        } else if trimmed.starts_with("[errors]: [") {
            // What follows belongs to nobody in the chain.
            break;
        }
    }
    for raised in &mut all {
        raised.frames.reverse();
        raised.text.truncate(raised.text.trim_end().len());
    }
    all
}

/// A call in native code, or one of several promises: no place in a file.
fn is_nowhere(line: &str) -> bool {
    let ending = ["(<anonymous>)", "(native)"].iter().any(|ending| line.ends_with(ending));
    line.starts_with("at ") && (ending || line.contains(" (index "))
}

fn begin<'a>(raised: &mut Raised<'a>, line: &'a str) {
    // Errors of Node itself have a code behind the class.
    let code = line.split_once(" [").and_then(|(class, rest)| Some((class, rest.split_once("]: ")?.1)));
    let (class, text) = match code {
        Some((class, text)) if !class.contains(char::is_whitespace) => (Some(class), text),
        _ => class_and_text(line),
    };
    raised.class = class;
    text.clone_into(&mut raised.text);
}

/// `at async answer (/app/agent.js:3:9)`, or without a function `at file:///app/agent.mjs:3:9`.
fn frame(line: &str) -> Option<Frame<'_>> {
    // Before the properties of the error stands a brace.
    let line = line.strip_suffix(" {").unwrap_or(line).strip_prefix("at ")?;
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (function, place) = match line.strip_suffix(')').and_then(|line| line.rsplit_once(" (")) {
        Some((function, place)) => (Some(function), place),
        None => (None, line),
    };
    let (place, column) = place.rsplit_once(':')?;
    let (file, line) = place.rsplit_once(':')?;
    let file = file.strip_prefix("file://").unwrap_or(file);
    let is_file = !file.is_empty() && !file.contains(['(', ')', ',']);
    let frame = Frame {
        file,
        function,
        line: line.parse().ok()?,
        column: Some(column.parse().ok()?),
        source: None,
        times: 1,
    };
    is_file.then_some(frame)
}
