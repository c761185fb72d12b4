//! A text as it is, and as it reads with its escapes undone: once, twice.
//!
//! Rule: what is found in a layer is known by its place in the text itself, whole escapes at a time, and each layer is read
//! once.
//!
//! Undoing takes every way in which JSON may spell a character (`/` and `\/`; `ü`, `\u00fc` and `\u00FC`; `&` and `\u0026`) and
//! what Python and Node show of a string (`\'`, `\xfc`), and leaves what is no escape as it is, because the text need not be
//! either.

use std::borrow::Cow;
use std::ops::Range;

/// How often the escapes of a text are undone: it may hold JSON, which may hold a text with JSON.
const DEPTH: usize = 2;

/// The layers of a text. The last one has no escapes, or those that are too deep.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    all: Vec<Layer<'a>>,
    /// The first one that is what somebody means.
    first: usize,
}

#[derive(Debug)]
struct Layer<'a> {
    text: Cow<'a, str>,
    /// Where this and the layer below differ.
    escapes: Vec<Escape>,
    /// It was cut within an escape, which is left out.
    is_cut: bool,
}

/// An escape that was undone.
#[derive(Debug)]
struct Escape {
    /// The character in its layer.
    here: Range<usize>,
    /// Its spelling in the layer below.
    below: Range<usize>,
}

impl<'a> Layers<'a> {
    /// The layers of any text: itself is one of them.
    pub(super) fn of_text(text: &'a str) -> Self {
        let mut all = vec![Layer { text: Cow::Borrowed(text), escapes: Vec::new(), is_cut: false }];
        undo_all(&mut all, DEPTH);
        Self { all, first: 0 }
    }

    /// The layers of what stands between the quotes of a JSON string. An escape that looks like a part of a secret is none.
    pub(super) fn of_json(inner: &'a str) -> Self {
        let mut all = vec![Layer { text: Cow::Borrowed(inner), escapes: Vec::new(), is_cut: false }];
        undo_all(&mut all, DEPTH + 1);
        let first = usize::from(all.len() > 1);
        Self { all, first }
    }

    /// The numbers of the layers in which something may be found.
    pub(super) fn numbers(&self) -> Range<usize> {
        self.first..self.all.len()
    }

    pub(super) fn text(&self, layer: usize) -> &str {
        &self.all[layer].text
    }

    /// Whether an escape at the end of this layer, or of one below, may go on.
    pub(super) fn is_cut(&self, layer: usize) -> bool {
        self.all[..=layer].iter().any(|layer| layer.is_cut)
    }

    /// Where a place between two characters of a layer is in the text itself.
    pub(super) fn below(&self, layer: usize, at: usize) -> usize {
        self.all[..=layer].iter().rev().fold(at, |at, layer| layer.below(at))
    }

    /// The first place between two characters of a layer that is not before a place of the text itself.
    pub(super) fn above(&self, layer: usize, at: usize) -> usize {
        self.all[..=layer].iter().fold(at, |at, layer| layer.above(at))
    }
}

impl Layer<'_> {
    fn below(&self, at: usize) -> usize {
        let before = self.escapes.partition_point(|escape| escape.here.end <= at);
        before.checked_sub(1).map_or(at, |last| {
            let Escape { here, below } = &self.escapes[last];
            below.end + (at - here.end)
        })
    }

    fn above(&self, at: usize) -> usize {
        let before = self.escapes.partition_point(|escape| escape.below.start < at);
        let above = before.checked_sub(1).map_or(at, |last| {
            let Escape { here, below } = &self.escapes[last];
            here.end + at.saturating_sub(below.end)
        });
        // Behind its end there may be an escape that was cut.
        above.min(self.text.len())
    }
}

fn undo_all(all: &mut Vec<Layer<'_>>, times: usize) {
    for _ in 0..times {
        let Some(next) = all.last().and_then(|last| undo(&last.text)) else { return };
        all.push(next);
    }
}

/// The next layer. `None` if it would be the same.
fn undo(text: &str) -> Option<Layer<'static>> {
    memchr::memchr(b'\\', text.as_bytes())?;
    let mut clear = String::with_capacity(text.len());
    let mut escapes = Vec::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\\', &text.as_bytes()[from..]).map(|at| from + at) {
        match read(&text.as_bytes()[at..]) {
            Read::Escape(character, length) => {
                clear.push_str(&text[copied..at]);
                let start = clear.len();
                clear.push(character);
                from = at + length;
                copied = from;
                escapes.push(Escape { here: start..clear.len(), below: at..from });
            }
            Read::Cut => {
                clear.push_str(&text[copied..at]);
                return Some(Layer { text: clear.into(), escapes, is_cut: true });
            }
            Read::NoEscape => from = at + 1,
        }
    }
    clear.push_str(&text[copied..]);
    Some(Layer { text: clear.into(), escapes, is_cut: false })
}

/// What a backslash begins.
enum Read {
    /// A character, and how long its spelling is.
    Escape(char, usize),
    /// More would have to follow.
    Cut,
    NoEscape,
}

fn read(bytes: &[u8]) -> Read {
    let character = match bytes.get(1) {
        None => return Read::Cut,
        Some(b'u') => return read_unicode(bytes),
        Some(b'x') => return read_byte(bytes),
        Some(&quoted @ (b'"' | b'\\' | b'/' | b'\'')) => char::from(quoted),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(_) => return Read::NoEscape,
    };
    Read::Escape(character, 2)
}

/// `\x` and two digits.
fn read_byte(bytes: &[u8]) -> Read {
    let digits = &bytes[2..bytes.len().min(4)];
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Read::NoEscape;
    }
    let text = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2);
    let byte = text.and_then(|digits| u8::from_str_radix(digits, 16).ok());
    byte.map_or(Read::Cut, |byte| Read::Escape(char::from(byte), 4))
}

/// `\u` and four digits, or two of them that are one character together.
fn read_unicode(bytes: &[u8]) -> Read {
    const ONE: usize = 6;
    let first = match unit(bytes) {
        Unit::Is(first) => first,
        Unit::Cut => return Read::Cut,
        Unit::None => return Read::NoEscape,
    };
    if let Some(character) = char::from_u32(first.into()) {
        return Read::Escape(character, ONE);
    }
    let half = Read::Escape(char::REPLACEMENT_CHARACTER, ONE);
    if !(0xd800..0xdc00).contains(&first) {
        return half;
    }
    match unit(&bytes[ONE..]) {
        Unit::Is(second) => match char::decode_utf16([first, second]).next() {
            Some(Ok(character)) => Read::Escape(character, 2 * ONE),
            _ => half,
        },
        Unit::Cut => Read::Cut,
        Unit::None => half,
    }
}

enum Unit {
    Is(u16),
    Cut,
    None,
}

fn unit(bytes: &[u8]) -> Unit {
    let is_begun = bytes.iter().take(2).eq(b"\\u".iter().take(bytes.len()));
    let digits = bytes.get(2..).unwrap_or_default();
    let digits = &digits[..digits.len().min(4)];
    if !is_begun || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Unit::None;
    }
    let text = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 4);
    text.and_then(|digits| u16::from_str_radix(digits, 16).ok()).map_or(Unit::Cut, Unit::Is)
}
