//! What the processes of a Python agent print, line by line.
//!
//! Rule: a line is of one process, whatever others print in its middle.

use std::collections::HashMap;

use crate::child::{CapturedLine, LineAssembler, LineLimits};

/// The lines that have begun.
pub(super) struct Printed {
    limits: LineLimits,
    own: LineAssembler,
    /// Of processes that the agent forked, those that are in the middle of a line.
    forked: HashMap<u32, LineAssembler>,
}

impl Printed {
    pub(super) fn new(limits: LineLimits) -> Self {
        Self { limits, own: lines(limits), forked: HashMap::new() }
    }

    /// Takes what was printed, by the process of this number or by the agent's own.
    pub(super) fn feed(&mut self, process: Option<u32>, bytes: &[u8], on_line: impl FnMut(CapturedLine<'_>)) {
        let Some(process) = process else { return self.own.feed(bytes, on_line) };
        let lines = self.forked.entry(process).or_insert_with(|| lines(self.limits));
        lines.feed(bytes, on_line);
        if !lines.has_begun() {
            self.forked.remove(&process);
        }
    }

    /// Hands on what was printed without a newline at its end.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(CapturedLine<'_>)) {
        self.own.finish(&mut on_line);
        let mut forked: Vec<_> = self.forked.drain().collect();
        forked.sort_unstable_by_key(|(process, _)| *process);
        for (_, mut lines) in forked {
            lines.finish(&mut on_line);
        }
    }
}

/// What Python printed is shown as it stands.
fn lines(limits: LineLimits) -> LineAssembler {
    LineAssembler::new(limits).keep_cr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_of_one_process() {
        let mut printed = Printed::new(LineLimits::default());
        let mut seen = Vec::new();
        let mut see = |line: CapturedLine<'_>| seen.push(String::from_utf8_lossy(line.bytes).into_owned());
        printed.feed(None, b"agent ", &mut see);
        printed.feed(Some(2), b"second ", &mut see);
        printed.feed(Some(1), b"first\nbegun", &mut see);
        printed.feed(Some(2), b"line\n", &mut see);
        printed.feed(None, b"line\n", &mut see);
        assert_eq!(printed.forked.len(), 1);
        printed.finish(&mut see);
        assert_eq!(seen, ["first", "second line", "agent line", "begun"]);
    }
}
