//! What a receiver took, and who brought it.
//!
//! Rule: an item counts only with the payload that belongs to its number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::bench::payload;
use crate::testing::{Answer, ReceiverDouble, RecordedRequest};

/// The header by which a process says who it is.
pub(super) const PROCESS: &str = "process";

/// The log of a receiver: the process and the number of each item, as they came.
#[derive(Default)]
pub(super) struct Taken(Mutex<Vec<(String, u64)>>);

impl Taken {
    /// Takes all items of a request.
    pub(super) fn take(&self, request: &RecordedRequest) {
        let process = request.header(PROCESS).unwrap_or_default();
        for item in request.json().as_array().unwrap() {
            let number = item["id"].as_u64().unwrap();
            assert_eq!(item, &serde_json::from_str::<serde_json::Value>(&payload(number)).unwrap());
            self.0.lock().unwrap().push((process.to_owned(), number));
        }
    }

    pub(super) fn numbers(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap().iter().map(|(_, number)| *number).collect()
    }

    /// How many times something came that had come before.
    pub(super) fn duplicates(&self) -> usize {
        let all = self.0.lock().unwrap().len();
        all - self.numbers().len()
    }

    /// What each process brought, as it came.
    pub(super) fn by_process(&self) -> BTreeMap<String, Vec<u64>> {
        let mut by_process: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (process, number) in &*self.0.lock().unwrap() {
            by_process.entry(process.clone()).or_default().push(*number);
        }
        by_process
    }
}

/// From now on everything is taken.
pub(super) fn accept_all(receiver: &ReceiverDouble, taken: &Arc<Taken>) {
    let taken = taken.clone();
    receiver.answer_with(move |request| {
        taken.take(request);
        Answer::new(200)
    });
}
