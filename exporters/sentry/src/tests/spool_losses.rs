//! What a full spool gave up, in Sentry's account of losses.
//!
//! Rule: what was issued arrived or is in a report that arrived, as [`Account`] has it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use charm_telemetry_core::spool::list;
use charm_telemetry_core::testing::{Answer, ReceiverDouble};

use super::account::Account;
use super::end_to_end::{PATIENCE, read, run, start};
use super::strict::Envelope;

/// A Sentry behind a network that fails.
struct Network {
    receiver: ReceiverDouble,
    is_up: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<Envelope>>>,
}

impl Network {
    fn down() -> Self {
        let (is_up, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let receiver = ReceiverDouble::start();
        let (up, arrived) = (is_up.clone(), taken.clone());
        receiver.answer_with(move |request| {
            if !up.load(Ordering::SeqCst) {
                return Answer::reset();
            }
            arrived.lock().unwrap().push(read(request));
            Answer::new(200)
        });
        Self { receiver, is_up, taken }
    }

    fn comes_back(&self) {
        self.is_up.store(true, Ordering::SeqCst);
    }

    fn account(&self) -> Account {
        let account = Account::of(&self.taken.lock().unwrap());
        let reasons: Vec<_> = account.reasons.iter().collect();
        assert_eq!(reasons, ["cache_overflow"], "{account:?}");
        account
    }
}

const RUNS: u64 = 8;
/// What two transactions fit in, and eight do not.
const CAP: &str = "10KiB";

/// Waits until the last of so many transactions has come to the disk.
fn until_spooled(state: &Path, transactions: u64) {
    let last = format!("{transactions:020}-");
    let name_of = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let end = Instant::now() + PATIENCE;
    while !list(state)
        .unwrap()
        .iter()
        .any(|file| file.destination == "sentry-transactions" && name_of(&file.path).starts_with(&last))
    {
        assert!(Instant::now() < end, "it is not spooled");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_full_spool_lost_is_reported_when_the_network_is_back() {
    let (network, state) = (Network::down(), tempfile::tempdir().unwrap());
    let variables = [("SENTRY_TRACE_LIFECYCLE", "static"), ("CHARM_SPOOL_MAX_BYTES", CAP)];
    let manager = start(&network.receiver, state.path(), &variables);
    (0..RUNS).for_each(|_| run(&manager));
    until_spooled(state.path(), RUNS);
    network.comes_back();
    // A fresh one.
    run(&manager);
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");

    let account = network.account();
    assert!(account.reported["transaction"] >= RUNS - 3, "the cap cost some: {account:?}");
    assert!(account.arrived["transaction"] >= 2, "{account:?}");
    account.assert_complete("transaction", RUNS + 1);
    account.assert_complete("span", 4 * (RUNS + 1));
    account.assert_complete("error", RUNS + 1);
}

#[test]
fn what_a_full_spool_lost_at_the_very_end_is_reported_by_the_next_start() {
    let (network, state) = (Network::down(), tempfile::tempdir().unwrap());
    let manager = start(&network.receiver, state.path(), &[("CHARM_SPOOL_MAX_BYTES", "1KiB")]);
    run(&manager);
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");

    network.comes_back();
    let manager = start(&network.receiver, state.path(), &[]);
    run(&manager);
    manager.shutdown(PATIENCE);
    let account = network.account();
    assert_eq!(account.reported.get("span"), Some(&4), "the only batch did not fit: {account:?}");
    account.assert_complete("span", 4 * 2);
    account.assert_complete("error", 2);
}
