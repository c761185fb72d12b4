//! The events of `serde_yaml`'s own parser, which `serde_yaml` does not hand out.
//! One rule: this is the only file here that touches its pointers, and nothing of it but copies leaves.
//!
//! `unsafe-libyaml` is what `serde_yaml` links, so its grammar is the same by construction. Two parsers in safe Rust
//! were tried: `libyaml-safer` 0.3 panics on short broken texts (`[!,`), and `saphyr-parser` 0.3 reads YAML 1.2 and
//! refuses files that both `serde_yaml` and the reference read.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::addr_of_mut;

use unsafe_libyaml as unsafe_yaml;

use super::node::Position;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// After `|` or `>`.
    Block,
}

/// What comes next in the text.
#[derive(Debug)]
pub(crate) enum Kind {
    DocumentStart,
    Scalar {
        anchor: Option<String>,
        tag: Option<String>,
        text: String,
        style: Style,
    },
    Alias {
        anchor: String,
    },
    ListStart {
        anchor: Option<String>,
        tag: Option<String>,
        brackets: bool,
    },
    MapStart {
        anchor: Option<String>,
        tag: Option<String>,
        brackets: bool,
    },
    CollectionEnd,
    StreamEnd,
    /// Of no interest here.
    Other,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) position: Position,
    /// Where it starts and ends, counted in bytes.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Why the parser gave up, in its own words.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// The text has characters that YAML does not allow.
    pub(crate) unprintable: bool,
    pub(crate) problem: String,
    pub(crate) at: Option<Position>,
    pub(crate) context: String,
    pub(crate) context_at: Option<Position>,
}

/// The parser over one text.
pub(crate) struct Events<'t> {
    /// Boxed, as it points to itself once it has its input.
    parser: Box<MaybeUninit<unsafe_yaml::yaml_parser_t>>,
    text: PhantomData<&'t str>,
    failed: bool,
}

impl<'t> Events<'t> {
    #[expect(unsafe_code, reason = "the parser has a C interface")]
    pub(crate) fn new(text: &'t str) -> Self {
        let mut parser = Box::new(MaybeUninit::uninit());
        let pointer: *mut unsafe_yaml::yaml_parser_t = parser.as_mut_ptr();
        // SAFETY: `initialize` writes the whole parser before anything reads it; the box keeps it in its place, and the
        // lifetime keeps the text alive for as long as the parser reads it.
        unsafe {
            assert!(unsafe_yaml::yaml_parser_initialize(pointer).ok, "it fails only for lack of memory");
            unsafe_yaml::yaml_parser_set_encoding(pointer, unsafe_yaml::YAML_UTF8_ENCODING);
            unsafe_yaml::yaml_parser_set_input_string(pointer, text.as_ptr(), text.len() as u64);
        }
        Self { parser, text: PhantomData, failed: false }
    }

    /// The next event. After an error there are no more.
    #[expect(unsafe_code, reason = "the parser has a C interface")]
    pub(crate) fn next(&mut self) -> Result<Event, SyntaxError> {
        let parser = self.parser.as_mut_ptr();
        let mut event = MaybeUninit::<unsafe_yaml::yaml_event_t>::uninit();
        // SAFETY: the parser is initialized since `new`, and is not asked again after an error; it writes the whole
        // event, which is copied before it is deleted, once.
        unsafe {
            if self.failed || unsafe_yaml::yaml_parser_parse(parser, event.as_mut_ptr()).fail {
                self.failed = true;
                return Err(syntax_error(&*parser));
            }
            let copy = copy(&*event.as_ptr());
            unsafe_yaml::yaml_event_delete(event.as_mut_ptr());
            Ok(copy)
        }
    }
}

impl Drop for Events<'_> {
    #[expect(unsafe_code, reason = "the parser has a C interface")]
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, deleted only here.
        unsafe { unsafe_yaml::yaml_parser_delete(addr_of_mut!(*self.parser).cast()) }
    }
}

/// # Safety
///
/// The event has to be as the parser has left it.
#[expect(unsafe_code, reason = "which field of a union holds is known from the type of the event")]
unsafe fn copy(event: &unsafe_yaml::yaml_event_t) -> Event {
    // SAFETY: each field is read under its own type only; texts end in a zero, but for values, which have a length.
    let kind = unsafe {
        match event.type_ {
            unsafe_yaml::YAML_DOCUMENT_START_EVENT => Kind::DocumentStart,
            unsafe_yaml::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let length = usize::try_from(scalar.length).expect("it is in memory");
                let value = std::slice::from_raw_parts(scalar.value, length);
                Kind::Scalar {
                    anchor: text(scalar.anchor.cast()),
                    tag: text(scalar.tag.cast()),
                    text: String::from_utf8_lossy(value).into_owned(),
                    style: match scalar.style {
                        unsafe_yaml::YAML_PLAIN_SCALAR_STYLE => Style::Plain,
                        unsafe_yaml::YAML_LITERAL_SCALAR_STYLE | unsafe_yaml::YAML_FOLDED_SCALAR_STYLE => {
                            Style::Block
                        }
                        _ => Style::Quoted,
                    },
                }
            }
            unsafe_yaml::YAML_ALIAS_EVENT => {
                Kind::Alias { anchor: text(event.data.alias.anchor.cast()).unwrap_or_default() }
            }
            unsafe_yaml::YAML_SEQUENCE_START_EVENT => {
                let list = &event.data.sequence_start;
                let brackets = list.style == unsafe_yaml::YAML_FLOW_SEQUENCE_STYLE;
                Kind::ListStart { anchor: text(list.anchor.cast()), tag: text(list.tag.cast()), brackets }
            }
            unsafe_yaml::YAML_MAPPING_START_EVENT => {
                let map = &event.data.mapping_start;
                let brackets = map.style == unsafe_yaml::YAML_FLOW_MAPPING_STYLE;
                Kind::MapStart { anchor: text(map.anchor.cast()), tag: text(map.tag.cast()), brackets }
            }
            unsafe_yaml::YAML_SEQUENCE_END_EVENT | unsafe_yaml::YAML_MAPPING_END_EVENT => Kind::CollectionEnd,
            // Also what a parser gives that is asked once too often.
            unsafe_yaml::YAML_STREAM_END_EVENT | unsafe_yaml::YAML_NO_EVENT => Kind::StreamEnd,
            _ => Kind::Other,
        }
    };
    let (start, end) = (count(event.start_mark.index), count(event.end_mark.index));
    Event { kind, position: position(event.start_mark), start, end }
}

/// # Safety
///
/// The parser has to be initialized.
#[expect(unsafe_code, reason = "the parser's messages are C strings")]
unsafe fn syntax_error(parser: &unsafe_yaml::yaml_parser_t) -> SyntaxError {
    // SAFETY: both are null or constants of the parser.
    let (problem, context) = unsafe { (text(parser.problem.cast()), text(parser.context.cast())) };
    let located = parser.error != unsafe_yaml::YAML_READER_ERROR;
    SyntaxError {
        unprintable: !located,
        problem: problem.unwrap_or_default(),
        at: located.then(|| position(parser.problem_mark)),
        context_at: context.is_some().then(|| position(parser.context_mark)),
        context: context.unwrap_or_default(),
    }
}

/// # Safety
///
/// Null, or a text that ends in a zero.
#[expect(unsafe_code, reason = "the parser's texts are C strings")]
unsafe fn text(pointer: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// Ours count from 1.
fn position(mark: unsafe_yaml::yaml_mark_t) -> Position {
    Position { line: count(mark.line) + 1, column: count(mark.column) + 1 }
}

fn count(number: u64) -> usize {
    usize::try_from(number).expect("a text in memory is shorter than that")
}
