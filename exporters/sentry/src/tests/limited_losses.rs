//! What a limit on everything cost, in Sentry's account of losses.
//!
//! Rule: reports are limited, too, and what they were to tell is told when the limit is over.

use std::time::{Duration, Instant};

use charm_telemetry_core::testing::{Answer, ReceiverDouble};

use super::account::Account;
use super::end_to_end::{PATIENCE, finish, run, start};

/// How long the limit of the first answer lasts.
const LIMIT: Duration = Duration::from_secs(2);

/// The first answer has this header; the account of three runs: two within the limit, and one after it.
fn account_of_three_runs(lifecycle: &str, answer: Answer) -> Account {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.script([answer]);
    let manager = start(&receiver, state.path(), &[("SENTRY_TRACE_LIFECYCLE", lifecycle)]);
    run(&manager);
    receiver.wait_for_requests(1, PATIENCE);
    let answered = Instant::now();
    run(&manager);
    // The exporter measures the limit by the clock of the machine.
    std::thread::sleep((LIMIT + Duration::from_millis(200)).saturating_sub(answered.elapsed()));
    run(&manager);
    Account::of(&finish(manager, &receiver))
}

#[test]
fn what_a_limit_on_everything_cost_is_told_when_it_is_over() {
    for lifecycle in ["stream", "static"] {
        let limit = Answer::new(200).header("X-Sentry-Rate-Limits", "2::organization");
        let account = account_of_three_runs(lifecycle, limit);
        assert_eq!(account.reasons.iter().collect::<Vec<_>>(), ["ratelimit_backoff"], "{account:?}");
        assert!(account.reported["error"] >= 1 && account.arrived["error"] >= 2, "{account:?}");
        account.assert_complete("error", 3);
        account.assert_complete("span", 3 * 4);
        if lifecycle == "static" {
            account.assert_complete("transaction", 3);
        }
    }
}

#[test]
fn so_it_is_after_a_429_but_for_what_that_refused_itself() {
    let account = account_of_three_runs("stream", Answer::new(429).header("Retry-After", "2"));
    // The refused one is among the requests that the receiver has seen, and Sentry has counted it.
    account.assert_complete("error", 3);
    account.assert_complete("span", 3 * 4);
    assert!(account.reported["error"] >= 1, "{account:?}");
}
