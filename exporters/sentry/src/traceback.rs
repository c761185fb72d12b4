//! A traceback: what was raised, where, and because of what, read from the text that Python or Node writes.
//!
//! Rule: read once from its beginning to its end; what does not look like a traceback is none, and stays a text.

mod frame;
mod node;
mod python;

pub(crate) use frame::{Frame, FrameJson, frames_json};

/// More than a person reads; those raised last are kept.
const MAX_RAISED: usize = 50;

/// In whose words it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
}

/// What was raised last, then its cause and the cause of that, then the members of a group: each after the one that it is
/// the cause or a member of.
#[derive(Debug)]
pub(crate) struct Traceback<'a> {
    pub(crate) language: Language,
    pub(crate) raised: Vec<Raised<'a>>,
}

/// One error.
#[derive(Debug, Default)]
pub(crate) struct Raised<'a> {
    /// With its module, if the text has one that can be a class.
    pub(crate) class: Option<&'a str>,
    /// What it says, without the class.
    pub(crate) text: String,
    /// Outermost first.
    pub(crate) frames: Vec<Frame<'a>>,
    /// Of which other it is the cause or a member, and how.
    pub(crate) parent: Option<(usize, Link)>,
    pub(crate) is_group: bool,
}

/// What an error is to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// `raise .. from ..`
    Cause,
    /// It was being handled when the other was raised.
    Context,
    /// `new Error(.., { cause })`
    NodeCause,
    /// One of a group: which.
    Member(usize),
}

impl<'a> Traceback<'a> {
    /// `None` if no place in the source is in it.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let read = |language, mut raised: Vec<Raised<'a>>| {
            raised.truncate(MAX_RAISED);
            let found = raised.iter().any(|raised| !raised.frames.is_empty());
            found.then_some(Self { language, raised })
        };
        read(Language::Python, python::read(text)).or_else(|| read(Language::Node, node::read(text)))
    }

    /// The folder that the files of the project have in common, with its last separator.
    pub(crate) fn project(&self) -> &'a str {
        let frames = self.raised.iter().flat_map(|raised| &raised.frames);
        frame::common_folder(frames.filter(|frame| frame.in_app()).map(|frame| frame.file))
    }
}

impl Link {
    /// As Sentry calls it: the place in the other that holds it.
    pub(crate) fn source(self) -> String {
        match self {
            Self::Cause => "__cause__".to_owned(),
            Self::Context => "__context__".to_owned(),
            Self::NodeCause => "cause".to_owned(),
            Self::Member(number) => format!("exceptions[{number}]"),
        }
    }
}

/// The class at the beginning of a line and what follows it: `ValueError: no such city`. A class has no white space in it.
fn class_and_text(line: &str) -> (Option<&str>, &str) {
    let (class, text) = line.split_once(": ").unwrap_or((line, ""));
    let fits = !class.is_empty() && !class.contains(|c: char| c.is_whitespace() || matches!(c, '"' | ':'));
    if fits { (Some(class), text) } else { (None, line) }
}
