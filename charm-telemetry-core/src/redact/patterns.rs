//! The values that must not be seen, and how they are found in all layers of a text.
//!
//! Rule: of what is found the leftmost counts, and of several there the longest, whichever layer it is in.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use super::layers::Layers;

/// The values, and what stands for each.
pub(super) struct Patterns {
    automaton: AhoCorasick,
    replacements: Vec<String>,
    values: Vec<String>,
    /// The bytes with which a value begins.
    starts: [bool; 256],
    longest: usize,
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

/// The next secret of one layer, by its place in the text itself.
struct Cursor {
    layer: usize,
    next: Next,
}

enum Next {
    NotLooked,
    Found(Range<usize>, usize),
    Nothing,
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
    /// Of values and the names of their variables.
    pub(super) fn new(secrets: BTreeMap<String, String>) -> Option<Self> {
        let longest = secrets.keys().map(String::len).max()?;
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
        Some(Self { automaton, replacements, values, starts, longest })
    }

    /// The first secret in a text that has no other layers, and what stands for it.
    pub(super) fn first(&self, text: &str) -> Option<&str> {
        self.automaton.find(text).map(|found| &*self.replacements[found.pattern()])
    }

    /// All secrets in a text. Where it may go on (`is_whole` is false), nothing is found behind what may be the beginning of
    /// one.
    pub(super) fn find(&self, layers: &Layers<'_>, is_whole: bool) -> Found<'_> {
        let mut found = Found::default();
        let mut cursors: Vec<_> =
            layers.numbers().map(|layer| Cursor { layer, next: Next::NotLooked }).collect();
        let end = layers.text(0).len();
        let mut from = 0;
        loop {
            let next = self.next(&mut cursors, layers, from);
            let before = next.as_ref().map_or(end + 1, |(range, _)| range.start + 1);
            found.pending = if is_whole { None } else { self.beginning(layers, from..before) };
            let Some((range, pattern)) = next.filter(|_| found.pending.is_none()) else { return found };
            from = range.end;
            found.secrets.push((range, &self.replacements[pattern]));
        }
    }

    fn next(
        &self,
        cursors: &mut [Cursor],
        layers: &Layers<'_>,
        from: usize,
    ) -> Option<(Range<usize>, usize)> {
        let found = cursors.iter_mut().filter_map(|cursor| cursor.look(self, layers, from));
        found.min_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)))
    }

    /// The first place in `range` of the text from which on the rest of a layer is the beginning of a value, and not all of it.
    fn beginning(&self, layers: &Layers<'_>, range: Range<usize>) -> Option<Pending<'_>> {
        let found = layers.numbers().filter_map(|layer| self.beginning_in(layers, layer, &range));
        found.min_by_key(|pending| (pending.range.start, !pending.is_half))
    }

    fn beginning_in(&self, layers: &Layers<'_>, layer: usize, range: &Range<usize>) -> Option<Pending<'_>> {
        let bytes = layers.text(layer).as_bytes();
        let from = layers.above(layer, range.start).max(bytes.len().saturating_sub(self.longest));
        let to = if range.end > layers.text(0).len() {
            bytes.len() + usize::from(layers.is_cut(layer))
        } else {
            layers.above(layer, range.end)
        };
        let may_begin = |at: usize| bytes.get(at).is_none_or(|&byte| self.starts[usize::from(byte)]);
        (from..to).filter(|&at| may_begin(at)).find_map(|at| {
            let begun = &bytes[at..];
            let is_begun = |value: &str| value.len() > begun.len() && value.as_bytes().starts_with(begun);
            let values = self.values.iter().enumerate().filter(|(_, value)| is_begun(value));
            let (nearest, value) = values.min_by_key(|(_, value)| value.len())?;
            let range = layers.below(layer, at)..layers.text(0).len();
            let is_half = 2 * begun.len() >= value.len();
            Some(Pending { range, replacement: &self.replacements[nearest], is_half })
        })
    }
}

impl Cursor {
    /// The first secret that does not begin before `from`. Each part of the layer is looked through once, as long as `from`
    /// does not go back.
    fn look(
        &mut self,
        patterns: &Patterns,
        layers: &Layers<'_>,
        from: usize,
    ) -> Option<(Range<usize>, usize)> {
        let is_stale = match &self.next {
            Next::NotLooked => true,
            Next::Found(range, _) => range.start < from,
            Next::Nothing => false,
        };
        if is_stale {
            let input = Input::new(layers.text(self.layer)).range(layers.above(self.layer, from)..);
            self.next = patterns.automaton.find(input).map_or(Next::Nothing, |found| {
                let place = |at| layers.below(self.layer, at);
                Next::Found(place(found.start())..place(found.end()), found.pattern().as_usize())
            });
        }
        match &self.next {
            Next::Found(range, pattern) => Some((range.clone(), *pattern)),
            Next::NotLooked | Next::Nothing => None,
        }
    }
}
