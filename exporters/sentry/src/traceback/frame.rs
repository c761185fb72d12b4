//! A place in the source that a call went through.
//!
//! Rule: a file of the project is named from the project's folder on, one of a library from where libraries are: the same
//! error is the same on every machine.

use std::borrow::Cow;

use serde::Serialize;

use crate::messages::cut;

/// What Relay leaves of the calls of one error: so many of the outermost, and of the innermost ones.
const OUTERMOST: usize = 50;
const INNERMOST: usize = 200;

/// Longest name of a file or a function, and longest line.
const MAX_NAME_BYTES: usize = 512;
const MAX_SOURCE_BYTES: usize = 1024;

/// One call, or as many as were the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// As it is named there.
    pub(crate) file: &'a str,
    pub(crate) function: Option<&'a str>,
    pub(crate) line: u32,
    pub(crate) column: Option<u32>,
    /// The line itself, without the white space around it.
    pub(crate) source: Option<&'a str>,
    pub(crate) times: u32,
}

/// A frame as Sentry has it.
#[derive(Serialize)]
pub(crate) struct FrameJson<'a> {
    filename: Cow<'a, str>,
    abs_path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    lineno: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    colno: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_line: Option<Cow<'a, str>>,
    in_app: bool,
}

impl<'a> Frame<'a> {
    /// Whether it is the agent's own code: not a library's, not the language's, not made while it ran.
    pub(super) fn in_app(&self) -> bool {
        !self.file.starts_with(['<', '[']) && !self.file.starts_with("node:") && library(self.file).is_none()
    }

    fn json(&self, project: &str) -> FrameJson<'a> {
        let name = |text: &'a str| cut(Cow::Borrowed(text), MAX_NAME_BYTES);
        let in_library = library(self.file);
        let short = in_library.or_else(|| self.file.strip_prefix(project)).filter(|file| !file.is_empty());
        FrameJson {
            filename: name(short.unwrap_or(self.file)),
            abs_path: name(self.file),
            function: self.function.map(name),
            module: in_library.and_then(module),
            lineno: self.line,
            colno: self.column,
            context_line: self.source.map(|source| cut(Cow::Borrowed(source), MAX_SOURCE_BYTES)),
            in_app: self.in_app(),
        }
    }
}

/// The frames as Sentry has them, at most so many as it keeps and `most`.
pub(crate) fn frames_json<'a>(frames: &[Frame<'a>], project: &str, most: usize) -> Vec<FrameJson<'a>> {
    let count: u64 = frames.iter().map(|frame| u64::from(frame.times)).sum();
    let (outer, inner) = (OUTERMOST.min(most / 5), INNERMOST.min(most - most / 5));
    let times = |frame: &'_ Frame<'a>| std::iter::repeat_n(frame.clone(), frame.times as usize);
    if count <= (outer + inner) as u64 {
        return frames.iter().flat_map(times).map(|frame| frame.json(project)).collect();
    }
    let first = frames.iter().flat_map(times).take(outer);
    let mut last: Vec<_> = frames.iter().rev().flat_map(times).take(inner).collect();
    last.reverse();
    first.chain(last).map(|frame| frame.json(project)).collect()
}

/// The longest beginning that ends in a separator and that all have; of files that are named from somewhere on, none.
pub(super) fn common_folder<'a>(files: impl Iterator<Item = &'a str>) -> &'a str {
    let folder = |file: &'a str| &file[..file.rfind(['/', '\\']).map_or(0, |end| end + 1)];
    let common = |a: &'a str, b: &'a str| {
        let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        folder(&a[..a.floor_char_boundary(same)])
    };
    files.map(folder).reduce(common).unwrap_or_default()
}

/// The file from the folder of libraries on, if it is in one.
fn library(file: &str) -> Option<&str> {
    let mut found = None;
    let (mut start, mut before) = (0, "");
    for (end, _) in file.match_indices(['/', '\\']) {
        let folder = &file[start..end];
        start = end + 1;
        let of_packages = matches!(folder, "site-packages" | "dist-packages" | "node_modules");
        let of_python = folder.starts_with("python3") && before.starts_with("lib");
        let of_windows = folder == "Lib" && before.starts_with("Python3");
        if of_packages || of_python || of_windows {
            found = Some(&file[start..]);
        }
        before = folder;
    }
    found
}

/// `langchain_core.tools.base` of `langchain_core/tools/base.py`.
fn module(file: &str) -> Option<String> {
    let file = file.strip_suffix(".py")?;
    let file = file.strip_suffix("/__init__").unwrap_or(file);
    Some(file.replace(['/', '\\'], "."))
}
