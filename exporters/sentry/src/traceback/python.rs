//! A traceback as Python writes it, with causes and groups.
//!
//! Rule: each line is looked at once, whatever is in it. A beginning that was cut off is passed over: what was raised last
//! stands at the end.

use super::frame::Frame;
use super::{Link, Raised, class_and_text};

const HEADER: &str = "Traceback (most recent call last):";
const OUTER_HEADER: &str = "  + Exception Group Traceback (most recent call last):";
const GROUP_HEADER: &str = "Exception Group Traceback (most recent call last):";

/// Groups in groups: Python writes ten of them.
const MAX_DEPTH: usize = 16;

/// Causes of causes.
const MAX_CHAIN: usize = 50;

/// What was raised, last first.
pub(super) fn read(text: &str) -> Vec<Raised<'_>> {
    let mut lines = Lines { all: text.lines().collect(), next: 0 };
    lines.next = beginning(&lines.all);
    let mut raised = Vec::new();
    flatten(lines.chain(0), None, &mut raised);
    raised
}

/// The first line; of a text that begins in the middle of a traceback, the first whole frame or the next header.
fn beginning(lines: &[&str]) -> usize {
    let header =
        lines.iter().position(|line| *line == HEADER || *line == OUTER_HEADER).unwrap_or(lines.len());
    let frame =
        lines[..header].iter().position(|line| frame(line).is_some_and(|frame| frame.function.is_some()));
    let first = lines.iter().find(|line| !line.trim().is_empty());
    let is_cut = header < lines.len() && first.is_some_and(|line| class_and_text(line).0.is_none());
    frame.or(is_cut.then_some(header)).unwrap_or(0)
}

/// The lines of a text, those of groups with a margin.
struct Lines<'a> {
    all: Vec<&'a str>,
    next: usize,
}

/// An error that was raised, with the members if it is a group.
#[derive(Default)]
struct Block<'a> {
    raised: Raised<'a>,
    members: Vec<Chain<'a>>,
}

/// Errors of which each led to the next, and how.
type Chain<'a> = Vec<(Block<'a>, Option<Link>)>;

impl<'a> Lines<'a> {
    /// The next line as it is at this depth of groups: `None` at their end.
    fn peek(&self, depth: usize) -> Option<&'a str> {
        self.line(self.next, depth)
    }

    fn line(&self, number: usize, depth: usize) -> Option<&'a str> {
        let line = self.all.get(number)?;
        if depth == 0 {
            return Some(line);
        }
        let line = line.get(2 * depth..).filter(|_| is_margin(line, 2 * depth))?.strip_prefix('|')?;
        Some(line.strip_prefix(' ').unwrap_or(line))
    }

    fn chain(&mut self, depth: usize) -> Chain<'a> {
        let mut chain = Chain::new();
        loop {
            let start = self.next;
            let block = self.block(depth);
            let link = self.link_here(depth);
            self.next += if link.is_some() { 3 } else { 0 };
            // What says nothing is what is left of a traceback whose beginning was cut off.
            if block.raised.class.is_some() || !block.raised.frames.is_empty() || link.is_none() {
                chain.push((block, link));
            }
            if chain.len() > MAX_CHAIN {
                chain.remove(0);
            }
            if link.is_none() || self.next == start {
                return chain;
            }
        }
    }

    fn block(&mut self, depth: usize) -> Block<'a> {
        while self.peek(depth).is_some_and(|line| line.trim().is_empty()) {
            self.next += 1;
        }
        let mut block = Block::default();
        let mut depth = depth;
        match self.peek(depth) {
            // The outermost group has a margin from its header on.
            Some(OUTER_HEADER) if depth == 0 => {
                block.raised.is_group = true;
                depth = 1;
                self.next += 1;
            }
            Some(GROUP_HEADER) => {
                block.raised.is_group = true;
                self.next += 1;
            }
            Some(HEADER) => self.next += 1,
            _ => {}
        }
        block.raised.frames = self.frames(depth);
        self.text(depth, &mut block.raised);
        if depth > 0 {
            block.members = self.members(depth);
            block.raised.is_group |= !block.members.is_empty();
        }
        block
    }

    fn frames(&mut self, depth: usize) -> Vec<Frame<'a>> {
        let mut frames: Vec<Frame<'a>> = Vec::new();
        while let Some(line) = self.peek(depth) {
            if let Some(frame) = frame(line) {
                frames.push(frame);
            } else if let (Some(frame), Some(source)) = (frames.last_mut(), line.strip_prefix("    ")) {
                // Further lines of it, and those that mark a part of it, say nothing new.
                frame.source.get_or_insert(source.trim());
            } else if let (Some(frame), Some(times)) = (frames.last_mut(), repeated(line)) {
                frame.times = frame.times.saturating_add(times);
            } else {
                break;
            }
            self.next += 1;
        }
        frames
    }

    /// From the class on to the end, which is the next link, the members of a group, or the end of all.
    fn text(&mut self, depth: usize, raised: &mut Raised<'a>) {
        let Some(first) = self.peek(depth).filter(|_| self.link_here(depth).is_none()) else { return };
        let (class, text) = class_and_text(first);
        raised.class = class;
        raised.text.push_str(text);
        self.next += 1;
        while let Some(line) = self.peek(depth).filter(|_| self.link_here(depth).is_none()) {
            raised.text.push('\n');
            raised.text.push_str(line);
            self.next += 1;
        }
        raised.text.truncate(raised.text.trim_end().len());
    }

    /// The sentence that says how the error before it led to the one after it, between two empty lines.
    fn link_here(&self, depth: usize) -> Option<Link> {
        let line = |further| self.line(self.next + further, depth).unwrap_or("no line");
        let sentence = Some(line(1)).filter(|_| line(0).is_empty() && line(2).is_empty())?;
        match sentence {
            "The above exception was the direct cause of the following exception:" => Some(Link::Cause),
            "During handling of the above exception, another exception occurred:" => Some(Link::Context),
            _ => None,
        }
    }

    fn members(&mut self, depth: usize) -> Vec<Chain<'a>> {
        let mut members = Vec::new();
        while let Some(line) = self.all.get(self.next) {
            let first = line.get(2 * depth..).filter(|_| is_margin(line, 2 * depth));
            let other = line.get(2 * depth + 2..).filter(|_| is_margin(line, 2 * depth + 2));
            let other = other.and_then(|line| line.strip_prefix("+--"));
            let rule = first.and_then(|line| line.strip_prefix("+-+-")).or(other);
            let Some(rule) = rule.filter(|_| depth < MAX_DEPTH) else { break };
            self.next += 1;
            if rule.contains(|c: char| c.is_ascii_digit()) {
                members.push(self.chain(depth + 1));
            } else {
                // The line below the last one, or above `and 5 more exceptions`.
                while self.peek(depth + 1).is_some() {
                    self.next += 1;
                }
            }
        }
        members
    }
}

fn is_margin(line: &str, width: usize) -> bool {
    line.bytes().take(width).all(|byte| byte == b' ')
}

/// `  File "/app/agent.py", line 3, in answer`; of an error of syntax without a function.
fn frame(line: &str) -> Option<Frame<'_>> {
    let (file, rest) = line.strip_prefix("  File \"")?.rsplit_once("\", line ")?;
    let (number, function) = match rest.split_once(", in ") {
        Some((number, function)) => (number, Some(function)),
        None => (rest, None),
    };
    let line = number.parse().ok().filter(|_| !file.is_empty())?;
    Some(Frame { file, function, line, column: None, source: None, times: 1 })
}

/// `  [Previous line repeated 27 more times]`
fn repeated(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("  [Previous line repeated ")?;
    rest.split_once(' ')?.0.parse().ok()
}

/// Puts the last one first, then what led to it, then its members.
fn flatten<'a>(mut chain: Chain<'a>, parent: Option<(usize, Link)>, into: &mut Vec<Raised<'a>>) {
    let Some((Block { mut raised, members }, _)) = chain.pop() else { return };
    let id = into.len();
    raised.parent = parent;
    into.push(raised);
    if let Some((_, link)) = chain.last() {
        let link = link.unwrap_or(Link::Context);
        flatten(chain, Some((id, link)), into);
    }
    for (number, member) in members.into_iter().enumerate() {
        flatten(member, Some((id, Link::Member(number))), into);
    }
}
