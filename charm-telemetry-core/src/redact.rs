//! Takes secrets out of everything that leaves.
//!
//! Rule: a value is replaced by the name of its variable, in plain text and in JSON, however JSON spells it, and in text
//! that holds JSON or what Python shows of a value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use serde_json::value::RawValue;

use crate::event::EventKind;

/// Shorter values are left alone: `prod` or `1` would take half of every text with it.
const SHORTEST: usize = 6;

/// Replaces the values of certain variables by `[NAME_REDACTED]`.
///
/// ```
/// use charm_telemetry_core::Redactor;
///
/// let redactor = Redactor::new([("API_KEY", "sk-12345")]);
/// assert_eq!(redactor.text("key=sk-12345!"), "key=[API_KEY_REDACTED]!");
/// ```
#[derive(Debug, Default)]
pub struct Redactor {
    plain: Option<Patterns>,
    json: Option<Patterns>,
}

struct Patterns {
    automaton: AhoCorasick,
    replacements: Vec<String>,
    values: Vec<String>,
    /// The bytes with which a value begins.
    starts: [bool; 256],
}

/// The secrets in a text that may go on.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    /// Those that are complete, in order, with what is to stand for them.
    pub(crate) secrets: Vec<(Range<usize>, &'a str)>,
    /// Where the beginning of another stands at the end of the text, and what would stand for it.
    pending: Option<Pending<'a>>,
}

#[derive(Debug)]
struct Pending<'a> {
    range: Range<usize>,
    replacement: &'a str,
    /// How much is there of the one that it may become, whichever has most.
    is_half: bool,
}

impl Redactor {
    /// A redactor for these variables. Values of less than six bytes are not redacted.
    pub fn new<N: Into<String>, V: Into<String>>(secrets: impl IntoIterator<Item = (N, V)>) -> Self {
        let secrets = secrets.into_iter().map(|(name, value)| (value.into(), name.into()));
        let secrets: BTreeMap<String, String> =
            secrets.filter(|(value, _)| value.len() >= SHORTEST).collect();
        let mut plain = spell(&secrets, spellings);
        plain.extend(spell(&secrets, literals));
        plain.extend(secrets);
        Self { json: Patterns::new(spell(&plain, spellings)), plain: Patterns::new(plain) }
    }

    /// Whether there is nothing to take out.
    pub fn is_empty(&self) -> bool {
        self.plain.is_none()
    }

    /// A text without the secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.plain
            .as_ref()
            .map_or(Cow::Borrowed(text), |patterns| patterns.replace(text, |found| Some((found, false))))
    }

    /// JSON without the secrets: still JSON.
    pub fn json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        let Some(patterns) = &self.json else { return Cow::Borrowed(json) };
        patterns.replace(json, |found| place_in_json(json, found))
    }

    /// Finds the secrets in a text. Where it may go on (`is_whole` is false), nothing is found behind what may be the
    /// beginning of a secret.
    pub(crate) fn find(&self, text: &str, is_whole: bool) -> Found<'_> {
        self.plain.as_ref().map(|patterns| patterns.find(text, is_whole)).unwrap_or_default()
    }

    /// Takes the secrets out of an event.
    pub(crate) fn event(&self, kind: &mut EventKind) {
        if self.plain.is_none() {
            return;
        }
        self.names(kind);
        match kind {
            EventKind::RunStart { inputs: json }
            | EventKind::RunEnd { outputs: json }
            | EventKind::RetrieverEnd { documents: json } => self.raw(json),
            EventKind::Error { error: text }
            | EventKind::LlmError { error: text }
            | EventKind::RetrieverStart { query: text, .. }
            | EventKind::RetrieverError { error: text }
            | EventKind::ToolStart { input: text, .. }
            | EventKind::ToolEnd { output: text, .. }
            | EventKind::ToolError { error: text, .. } => self.string(text),
            EventKind::AgentAction { tool, tool_input } => {
                self.string(tool);
                self.string(tool_input);
            }
            EventKind::LlmStart(start) => start.input.iter_mut().for_each(|json| self.raw(json)),
            EventKind::LlmEnd(end) => end.output.iter_mut().for_each(|json| self.raw(json)),
            EventKind::LlmNewToken { token } => {
                if let Cow::Owned(clean) = self.text(token) {
                    *token = clean.into();
                }
            }
            EventKind::Stream(event) => {
                if let Cow::Owned(clean) = self.json(event.json()) {
                    event.set_json(clean);
                }
            }
        }
    }

    /// Names are the agent's words, too.
    fn names(&self, kind: &mut EventKind) {
        match kind {
            EventKind::ToolStart { tool_name: name, .. }
            | EventKind::ToolEnd { tool_name: name, .. }
            | EventKind::ToolError { tool_name: name, .. }
            | EventKind::RetrieverStart { name, .. } => self.shared(name),
            EventKind::LlmStart(start) => {
                start.model.iter_mut().chain(&mut start.provider).for_each(|name| self.string(name));
            }
            EventKind::LlmEnd(end) => end.model.iter_mut().for_each(|name| self.string(name)),
            _ => {}
        }
    }

    fn shared(&self, text: &mut Arc<str>) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean.into();
        }
    }

    fn string(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    fn raw(&self, json: &mut Box<RawValue>) {
        if let Cow::Owned(clean) = self.json(json.get()) {
            *json =
                RawValue::from_string(clean).expect("only text inside of strings and numbers was replaced");
        }
    }
}

impl<'a> Found<'a> {
    /// Where the beginning of a secret stands; `end` if there is none.
    pub(crate) fn pending_from(&self, end: usize) -> usize {
        self.pending.as_ref().map_or(end, |pending| pending.range.start)
    }

    /// All, with the beginning of a secret at the end, if at least half of it is there.
    pub(crate) fn with_half(mut self) -> Option<Vec<(Range<usize>, &'a str)>> {
        let Pending { range, replacement, .. } = self.pending.filter(|pending| pending.is_half)?;
        self.secrets.push((range, replacement));
        Some(self.secrets)
    }
}

/// Shows how many there are: the rest is secret.
impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patterns({})", self.values.len())
    }
}

impl Patterns {
    fn new(secrets: BTreeMap<String, String>) -> Option<Self> {
        if secrets.is_empty() {
            return None;
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(secrets.keys())
            .expect("environment values are far below the automaton's limits");
        let mut starts = [false; 256];
        for value in secrets.keys() {
            starts[usize::from(value.as_bytes()[0])] = true;
        }
        let (values, names): (_, Vec<_>) = secrets.into_iter().unzip();
        let replacements = names.into_iter().map(|name| format!("[{name}_REDACTED]")).collect();
        Some(Self { automaton, replacements, values, starts })
    }

    fn find(&self, text: &str, is_whole: bool) -> Found<'_> {
        let mut found = Found::default();
        let mut from = 0;
        loop {
            let next = self.automaton.find(Input::new(text).range(from..));
            let before = next.as_ref().map_or(text.len(), |next| next.start() + 1);
            found.pending = if is_whole { None } else { self.beginning(text, from..before) };
            let Some(next) = next.filter(|_| found.pending.is_none()) else { return found };
            found.secrets.push((next.range(), &self.replacements[next.pattern()]));
            from = next.end();
        }
    }

    /// The first place in `range` from which on the rest of the text is the beginning of a value, and not all of it.
    fn beginning(&self, text: &str, range: Range<usize>) -> Option<Pending<'_>> {
        let bytes = text.as_bytes();
        let at = range.filter(|&at| self.starts[usize::from(bytes[at])]);
        at.map(|at| at..text.len()).find_map(|range| {
            let begun = &bytes[range.clone()];
            let is_begun = |value: &str| value.len() > begun.len() && value.as_bytes().starts_with(begun);
            let values = self.values.iter().enumerate().filter(|(_, value)| is_begun(value));
            let (nearest, value) = values.min_by_key(|(_, value)| value.len())?;
            let is_half = 2 * begun.len() >= value.len();
            Some(Pending { range, replacement: &self.replacements[nearest], is_half })
        })
    }

    /// `place` tells what of the text a match stands for, and whether the replacement needs quotes there.
    fn replace<'a>(
        &self,
        text: &'a str,
        place: impl Fn(Range<usize>) -> Option<(Range<usize>, bool)>,
    ) -> Cow<'a, str> {
        let mut clean = String::new();
        let mut copied = 0;
        for found in self.automaton.find_iter(text) {
            let Some((range, quoted)) = place(found.range()).filter(|(range, _)| range.start >= copied)
            else {
                continue;
            };
            let quote = if quoted { "\"" } else { "" };
            clean.push_str(&text[copied..range.start]);
            clean.extend([quote, &self.replacements[found.pattern()], quote]);
            copied = range.end;
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        clean.push_str(&text[copied..]);
        Cow::Owned(clean)
    }
}

/// All spellings of the values in some notation.
fn spell<const N: usize>(
    secrets: &BTreeMap<String, String>,
    spellings: fn(&str) -> [String; N],
) -> BTreeMap<String, String> {
    let of_one =
        |(value, name): (&String, &String)| spellings(value).map(|text| (text, name.clone())).into_iter();
    secrets.iter().flat_map(of_one).collect()
}

/// How a value may stand inside a JSON string: as short as possible, or with everything but ASCII or with slashes escaped.
fn spellings(value: &str) -> [String; 3] {
    let short = escaped(value);
    let ascii = escape_non_ascii(&short);
    let slashes = short.replace('/', "\\/");
    [short, ascii, slashes]
}

/// How a value stands inside of what Python and Node show of a string: the quotes that are not around it stay as they are.
fn literals(value: &str) -> [String; 2] {
    let double_inside = escaped(value).replace("\\\"", "\"");
    let single_escaped = double_inside.replace('\'', "\\'");
    [double_inside, single_escaped]
}

fn escaped(value: &str) -> String {
    let quoted = serde_json::to_string(value).expect("a string can always be written");
    quoted[1..quoted.len() - 1].to_owned()
}

fn escape_non_ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes every text");
            }
        }
    }
    escaped
}

/// What a match in JSON stands for: itself inside of a string; the whole number outside of one, which becomes a string;
/// nothing if it begins within an escape and only looks like the secret.
fn place_in_json(json: &str, found: Range<usize>) -> Option<(Range<usize>, bool)> {
    let before = &json.as_bytes()[..found.start];
    let is_escaped = |bytes: &[u8]| bytes.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
    if is_escaped(before) {
        return None;
    }
    let quotes = before.iter().enumerate().filter(|&(at, &byte)| byte == b'"' && !is_escaped(&before[..at]));
    if quotes.count() % 2 == 1 {
        return Some((found, false));
    }
    let in_number = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let start = before.iter().rposition(|byte| !in_number(byte)).map_or(0, |at| at + 1);
    let after = json.as_bytes()[found.end..].iter().take_while(|byte| in_number(byte)).count();
    Some((start..found.end + after, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, json: &str, expected: &str) {
        let redactor = Redactor::new([("KEY", value)]);
        let clean = redactor.json(json);
        assert_eq!(clean, expected);
        serde_json::from_str::<serde_json::Value>(&clean).expect("what was JSON stays JSON");
    }

    #[test]
    fn a_secret_is_found_in_every_spelling_of_json() {
        check("s\"cret/ü", r#"{"a":"x s\"cret/ü y"}"#, r#"{"a":"x [KEY_REDACTED] y"}"#);
        check("s\"cret/ü", r#"{"a":"s\"cret/\u00fc"}"#, r#"{"a":"[KEY_REDACTED]"}"#);
        check("a/b/cdef", r#"["a\/b\/cdef"]"#, r#"["[KEY_REDACTED]"]"#);
    }

    #[test]
    fn a_secret_is_found_in_what_python_shows_of_a_dict() {
        let redactor = Redactor::new([("KEY", "s\"cr\\et'ü\n")]);
        let shown = r#"{'a': 's"cr\\et\'ü\n', "b": "s\"cr\\et'ü\n"}"#;
        assert_eq!(redactor.text(shown), r#"{'a': '[KEY_REDACTED]', "b": "[KEY_REDACTED]"}"#);
        let within = serde_json::to_string(shown).unwrap();
        assert_eq!(redactor.json(&within), r#""{'a': '[KEY_REDACTED]', \"b\": \"[KEY_REDACTED]\"}""#);
        check("a\"b\\cde", r#"{"a":"'a\"b\\\\cde'"}"#, r#"{"a":"'[KEY_REDACTED]'"}"#);
    }

    #[test]
    fn an_escape_that_looks_like_a_secret_is_left_alone() {
        check("nabcdef", r#"{"a":"\nabcdef"}"#, r#"{"a":"\nabcdef"}"#);
        check("nabcdef", r#"{"a":"\\nabcdef"}"#, r#"{"a":"\\[KEY_REDACTED]"}"#);
    }

    #[test]
    fn a_secret_that_is_a_number_becomes_a_string() {
        check(
            "123456",
            r#"{"a":-1234567.5,"b":"x123456"}"#,
            r#"{"a":"[KEY_REDACTED]","b":"x[KEY_REDACTED]"}"#,
        );
        check("123456", "123456", r#""[KEY_REDACTED]""#);
    }

    #[test]
    fn a_secret_never_matches_across_the_syntax_of_json() {
        check(r#"a":"bcd"#, r#"{"a":"bcd"}"#, r#"{"a":"bcd"}"#);
    }

    #[test]
    fn the_longer_of_two_secrets_wins() {
        let redactor = Redactor::new([("SHORT", "abcdef"), ("LONG", "abcdefgh")]);
        assert_eq!(redactor.text("abcdefgh abcdef"), "[LONG_REDACTED] [SHORT_REDACTED]");
    }

    #[test]
    fn names_of_tools_and_models_are_texts_like_any_other() {
        let redactor = Redactor::new([("KEY", "sk-12345")]);
        let mut tool = EventKind::ToolEnd { tool_name: "call sk-12345".into(), output: String::new() };
        redactor.event(&mut tool);
        assert!(
            matches!(&tool, EventKind::ToolEnd { tool_name, .. } if &**tool_name == "call [KEY_REDACTED]")
        );
        let mut model = EventKind::LlmStart(Box::new(crate::event::LlmStart::new("sk-12345")));
        redactor.event(&mut model);
        assert!(
            matches!(&model, EventKind::LlmStart(start) if start.model.as_deref() == Some("[KEY_REDACTED]"))
        );
    }

    #[test]
    fn short_values_are_left_alone() {
        assert_eq!(Redactor::new([("MODE", "prod1")]).text("prod1"), "prod1");
    }
}
