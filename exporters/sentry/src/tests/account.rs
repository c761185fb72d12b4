//! What arrived and what was reported as lost, by category.
//!
//! Rule: what was issued arrived or is in a report that arrived, item by item and kind by kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::end_to_end::{payloads, spans};
use super::strict::Envelope;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) arrived: BTreeMap<String, u64>,
    pub(super) reported: BTreeMap<String, u64>,
    /// For which reasons.
    pub(super) reasons: BTreeSet<String>,
}

impl Account {
    pub(super) fn of(envelopes: &[Envelope]) -> Self {
        let transactions = payloads(envelopes, "transaction");
        // Its own span, and those in it.
        let of_transaction = |payload: &&Value| 1 + payload["spans"].as_array().unwrap().len() as u64;
        let in_transactions: u64 = transactions.iter().map(of_transaction).sum();
        let arrived = [
            ("error", payloads(envelopes, "event").len() as u64),
            ("span", spans(envelopes).len() as u64 + in_transactions),
            ("transaction", transactions.len() as u64),
        ];
        let arrived = arrived.map(|(category, count)| (category.to_owned(), count)).into();
        let (mut reported, mut reasons) = (BTreeMap::new(), BTreeSet::new());
        for report in payloads(envelopes, "client_report") {
            for discard in report["discarded_events"].as_array().unwrap() {
                let text = |key: &str| discard[key].as_str().unwrap().to_owned();
                reasons.insert(text("reason"));
                *reported.entry(text("category")).or_default() += discard["quantity"].as_u64().unwrap();
            }
        }
        Self { arrived, reported, reasons }
    }

    #[track_caller]
    pub(super) fn assert_complete(&self, category: &str, issued: u64) {
        let (arrived, reported) = (self.arrived[category], self.reported.get(category).copied());
        assert_eq!(arrived + reported.unwrap_or(0), issued, "{category}: {self:?}");
    }
}
