//! The end of a process, with receivers in every state.

use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup, lost};
use crate::delivery::transport::TransportError;
use crate::delivery::{DeliveryState, Response};
use crate::outcome::DropReason;

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn a_working_receiver_gets_all_200_pending_runs() {
    let receiver = Receiver::always(200);
    let bench = Setup::default().start(&receiver);
    bench.send(0..200);
    let outcomes = bench.shutdown(TWO_SECONDS).await;
    assert_eq!(outcomes.delivered, 200);
    assert_eq!(receiver.order(), (0..200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn with_the_receiver_down_it_ends_in_time_and_the_next_start_delivers() {
    for reply in ["refused", "silent", "503"] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::new(move |_, _| match reply {
            "refused" => Err(TransportError::Connect("refused".to_owned())),
            "silent" => Err(TransportError::Timeout(Duration::from_secs(10))),
            _ => Ok(Response::new(503)),
        });
        let bench = Setup::spooling(dir.path()).start(&receiver);
        bench.send(0..200);
        let handle = bench.handle.clone();
        let before = tokio::time::Instant::now();
        let outcomes = bench.shutdown(TWO_SECONDS).await;
        assert!(before.elapsed() <= Duration::from_millis(2200), "{:?}", before.elapsed());
        assert_eq!(outcomes.spooled, 200);
        assert_eq!(handle.report().state, DeliveryState::CutOff);
        let receiver = Receiver::always(200);
        let bench = Setup::spooling(dir.path()).start(&receiver);
        bench.send([200]);
        bench.until_done(HOUR).await;
        assert_eq!(bench.shutdown(TWO_SECONDS).await.delivered, 201);
        assert_eq!(receiver.order(), (0..=200).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_no_answer_yet_holds_up_no_end_and_its_items_are_spooled() {
    let dir = tempfile::tempdir().unwrap();
    let silent = Receiver::new(|_, _| Err(TransportError::Timeout(Duration::from_secs(10))));
    let bench = Setup::spooling(dir.path()).start(&silent);
    bench.send(0..200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(silent.requests().len(), 1, "it is on its way");
    let before = tokio::time::Instant::now();
    let outcomes = bench.shutdown(TWO_SECONDS).await;
    assert!(before.elapsed() <= Duration::from_millis(2200), "{:?}", before.elapsed());
    assert_eq!(outcomes.spooled, 200);
    let receiver = Receiver::always(200);
    let bench = Setup::spooling(dir.path()).start(&receiver);
    bench.send([200]);
    bench.until_done(HOUR).await;
    assert_eq!(receiver.order(), (0..=200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_has_long_been_down_is_asked_once_more_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::always(503);
    let bench = Setup::spooling(dir.path()).start(&receiver);
    bench.send(0..50);
    tokio::time::sleep(HOUR).await;
    let tries = receiver.requests().len();
    let before = tokio::time::Instant::now();
    let outcomes = bench.shutdown(Duration::from_secs(30)).await;
    assert_eq!(outcomes.spooled, 50);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    assert_eq!(receiver.requests().len() - tries, 1);
}

#[tokio::test(start_paused = true)]
async fn when_no_further_try_can_come_in_time_nobody_waits_for_it() {
    for status in [401, 429] {
        let dir = tempfile::tempdir().unwrap();
        let later = move || Response::new(status).with_header("retry-after", "3600");
        let bench = Setup::spooling(dir.path()).start(&Receiver::new(move |_, _| Ok(later())));
        bench.send(0..50);
        let before = tokio::time::Instant::now();
        let outcomes = bench.shutdown(Duration::from_secs(30)).await;
        assert_eq!(outcomes.spooled, 50, "{status}");
        assert!(before.elapsed() < Duration::from_secs(1), "{status}: {:?}", before.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_one_by_one_shares_files_and_arrives_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let singly = |dir| {
        let mut setup = Setup::spooling(dir);
        setup.limits.max_items = 1;
        setup
    };
    let bench = singly(dir.path()).start(&Receiver::always(503));
    bench.send(0..3000);
    let outcomes = bench.shutdown(TWO_SECONDS).await;
    assert_eq!(outcomes.spooled, 3000);
    let files = files_in(dir.path());
    assert!(files < 3000 / 20, "{files} files");
    let receiver = Receiver::always(200);
    let bench = singly(dir.path()).start(&receiver);
    bench.send([3000]);
    bench.until_done(HOUR).await;
    assert_eq!(bench.shutdown(TWO_SECONDS).await.delivered, 3001);
    assert_eq!(receiver.order(), (0..=3000).collect::<Vec<_>>());
    assert!(receiver.requests().iter().all(|(_, items)| items.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn every_loss_is_told() {
    let mut setup = Setup::default();
    setup.config.memory_items = 10;
    let bench = setup.start(&Receiver::always(503));
    bench.send(0..15);
    let notices = bench.notices.clone();
    bench.shutdown(TWO_SECONDS).await;
    let notices: Vec<String> = notices.lock().unwrap().iter().map(|notice| notice.message.clone()).collect();
    assert!(notices.iter().any(|told| told.starts_with("1 item is lost: queue_full; ")), "{notices:?}");
    let all = "in all 15 items are lost: 5 queue_full, 10 shutdown_deadline";
    assert_eq!(notices.last().map(String::as_str), Some(all), "{notices:?}");
}

/// How many files there are, however deep.
fn files_in(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_in(&path) } else { 1 }).sum()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_comes_back_within_the_deadline_gets_all() {
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 2 { 503 } else { 200 })));
    let bench = Setup::default().start(&receiver);
    bench.send(0..50);
    let outcomes = bench.shutdown(Duration::from_secs(20)).await;
    assert_eq!(outcomes.delivered, 50);
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_what_is_left_is_dropped_by_name() {
    let bench = Setup::default().start(&Receiver::always(503));
    bench.send(0..50);
    let outcomes = bench.shutdown(TWO_SECONDS).await;
    assert_eq!(lost(&outcomes, DropReason::ShutdownDeadline), 50);
}

#[tokio::test(start_paused = true)]
async fn sixteen_thousand_items_for_a_dead_endpoint_are_accounted_for_exactly() {
    let dir = tempfile::tempdir().unwrap();
    for with_spool in [false, true] {
        let mut setup = if with_spool { Setup::spooling(dir.path()) } else { Setup::default() };
        setup.limits.max_items = 512;
        setup.config.memory_items = 4096;
        let bench = setup.start(&Receiver::new(|_, _| Err(TransportError::Connect("refused".to_owned()))));
        for start in (0..16_000).step_by(1000) {
            bench.send(start..start + 1000);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let outcomes = bench.shutdown(TWO_SECONDS).await;
        assert_eq!(outcomes.accepted, 16_000);
        if with_spool {
            assert_eq!(outcomes.spooled, 16_000, "{outcomes:?}");
        } else {
            let (full, late) =
                (lost(&outcomes, DropReason::QueueFull), lost(&outcomes, DropReason::ShutdownDeadline));
            assert_eq!((full, late), (16_000 - 4096, 4096));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_end_items_are_refused_and_counted_and_a_second_shutdown_says_the_same() {
    let bench = Setup::default().start(&Receiver::always(200));
    bench.send(0..5);
    let handle = bench.handle.clone();
    bench.shutdown(TWO_SECONDS).await;
    assert!(!handle.send(super::bench::item(5)));
    let report = handle.shutdown(TWO_SECONDS);
    assert!(report.outcomes.is_balanced());
    assert_eq!((report.outcomes.delivered, lost(&report.outcomes, DropReason::ShutdownDeadline)), (5, 1));
    assert_eq!(report.state, DeliveryState::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_dropped_still_delivers() {
    let receiver = Receiver::always(200);
    let bench = Setup::default().start(&receiver);
    bench.send(0..25);
    drop(bench);
    tokio::time::sleep(TWO_SECONDS).await;
    assert_eq!(receiver.taken().len(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_company() {
    let receiver = Receiver::always(200);
    let mut setup = Setup::default();
    setup.limits.linger = HOUR;
    let bench = setup.start(&receiver);
    bench.send(0..3);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(receiver.taken().is_empty());
    // Zero patience: a flush that waits would stop the clock of this test.
    assert!(!bench.handle.flush(Duration::ZERO));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(receiver.taken().len(), 3);
    assert!(bench.handle.flush(Duration::ZERO), "there is nothing more to wait for");
}
