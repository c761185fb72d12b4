//! The calls of a run that have ended.
//!
//! Rule: that a call has ended is never forgotten, so that none becomes two spans of one id; what it was, is, after a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::{MAX_ENDED_RANGES, REMEMBERED_CALLS};
use super::recent::Recent;
use super::span::SpanHead;

#[derive(Debug)]
pub(super) struct Ended {
    /// The heads of the last ones, for what is called from them late.
    heads: Recent<u64, Arc<SpanHead>>,
    /// The numbers of all, as ranges: from the first to the last of each. Numbers are given in a row, so there are few.
    ranges: BTreeMap<u64, u64>,
}

impl Ended {
    pub(super) fn new() -> Self {
        Self { heads: Recent::new(REMEMBERED_CALLS), ranges: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, number: u64, head: Arc<SpanHead>) {
        self.heads.insert(number, head);
        if !self.contains(number) {
            self.insert_number(number);
        }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, &last)| number <= last)
    }

    /// What it was, if it is one of the last.
    pub(super) fn head(&self, number: u64) -> Option<&Arc<SpanHead>> {
        self.heads.get(&number)
    }

    fn insert_number(&mut self, number: u64) {
        let last = self.ranges.remove(&(number + 1)).unwrap_or(number);
        let below = self.ranges.range_mut(..number).next_back();
        match below.filter(|(_, end)| **end + 1 == number) {
            Some((_, end)) => *end = last,
            None => drop(self.ranges.insert(number, last)),
        }
        if self.ranges.len() > MAX_ENDED_RANGES {
            self.close_lowest_gap();
        }
    }

    /// Calls get their numbers as they begin: what is missing this far below is open or never came here.
    fn close_lowest_gap(&mut self) {
        let Some((first, _)) = self.ranges.pop_first() else { return };
        if let Some((_, last)) = self.ranges.pop_first() {
            self.ranges.insert(first, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
        let mut ended = Ended::new();
        numbers.into_iter().for_each(|number| ended.insert_number(number));
        ended.ranges.into_iter().collect()
    }

    #[test]
    fn numbers_in_a_row_are_one_range_in_whatever_order_they_come() {
        for numbers in [[1, 2, 3, 4], [4, 3, 2, 1], [1, 3, 2, 4], [2, 4, 1, 3]] {
            assert_eq!(ranges(numbers), [(1, 4)], "{numbers:?}");
        }
        assert_eq!(ranges([5, 1, 3]), [(1, 1), (3, 3), (5, 5)]);
    }

    #[test]
    fn the_ranges_are_bounded_and_the_lowest_gaps_go_first() {
        let most = u64::try_from(MAX_ENDED_RANGES).unwrap();
        let ranges = ranges((0..most + 3).map(|number| number * 2));
        assert_eq!(ranges.len(), MAX_ENDED_RANGES);
        assert_eq!(ranges[..2], [(0, 6), (8, 8)]);
    }
}
