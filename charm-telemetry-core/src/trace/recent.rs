//! The last few of something, by key.
//!
//! Rule: it never grows beyond its bound; the oldest is forgotten first.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: VecDeque<(K, V)>,
    bound: usize,
}

impl<K: PartialEq, V> Recent<K, V> {
    pub(super) fn new(bound: usize) -> Self {
        Self { entries: VecDeque::new(), bound }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.len() == self.bound {
            self.entries.pop_front();
        }
        self.entries.push_back((key, value));
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.iter().rev().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }
}
