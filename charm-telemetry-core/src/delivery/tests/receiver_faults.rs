//! Receivers that are down, limiting, refusing or lying.

use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup, TestDestination, else_as_the_double, lost};
use super::simulated_disk::{ENOSPC, SimulatedDisk, Step};
use super::spool_faults::on;
use crate::delivery::transport::TransportError;
use crate::delivery::{
    Body, DeliveryState, Destination, Disposition, EncodeError, Item, NoticeKind, Response,
};
use crate::outcome::DropReason;

#[tokio::test(start_paused = true)]
async fn a_healthy_receiver_gets_everything_in_order_and_the_disk_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::always(200);
    let bench = Setup::spooling(dir.path()).start(&receiver);
    bench.send(0..95);
    bench.until_done(Duration::from_secs(10)).await;
    let outcomes = bench.shutdown(Duration::from_secs(2)).await;
    assert_eq!(outcomes.delivered, 95);
    assert_eq!(receiver.order(), (0..95).collect::<Vec<_>>());
    assert_eq!(outcomes.requests, 10);
    assert!(!dir.path().join("spool").exists());
}

#[tokio::test(start_paused = true)]
async fn six_hours_of_503_lose_nothing_and_memory_stays_small() {
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at < 6 * HOUR { 503 } else { 200 })));
    let bench = on(&SimulatedDisk::default(), Setup::default()).start(&receiver);
    let mut sent = 0;
    let mut most_pending = 0;
    for _ in 0..(6 * 60 * 6) {
        bench.send(sent..sent + 2);
        sent += 2;
        tokio::time::sleep(Duration::from_secs(10)).await;
        most_pending = most_pending.max(bench.outcomes().pending);
    }
    bench.until_done(HOUR).await;
    bench.send([sent]);
    bench.until_done(Duration::from_secs(10)).await;
    let outcomes = bench.shutdown(Duration::from_secs(2)).await;
    assert_eq!(outcomes.delivered, sent + 1);
    assert_eq!(outcomes.dropped.total(), 0);
    assert_eq!(receiver.order(), (0..=sent).collect::<Vec<_>>(), "in order, also through the spool");
    assert!(most_pending <= 20, "{most_pending} items were in memory");
    let during_outage = receiver.requests().iter().filter(|(at, _)| *at < 6 * HOUR).count();
    assert!((300..2500).contains(&during_outage), "{during_outage} tries in six hours");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_believed_up_to_five_minutes_and_garbage_is_not() {
    let check = async |value: &'static str, least: u64, most: u64| {
        let receiver = Receiver::new(move |_, at| {
            let limited = Response::new(429).with_header("Retry-After", value);
            Ok(if at < Duration::from_secs(2) { limited } else { Response::new(200) })
        });
        let bench = Setup::default().start(&receiver);
        bench.send(0..3);
        bench.until_done(HOUR).await;
        let requests = receiver.requests();
        let wait = requests[1].0.abs_diff(requests[0].0);
        let range = Duration::from_secs(least)..=Duration::from_secs(most);
        assert!(range.contains(&wait), "`{value}`: waited {wait:?}");
        assert!(wait >= Duration::from_millis(100), "`{value}`: no hot loop");
        assert_eq!(receiver.taken().len(), 3);
    };
    check("30", 30, 34).await;
    check("315360000", 300, 331).await;
    check("Sun, 06 Nov 1994 08:49:37 GMT", 0, 2).await;
    check("0", 0, 2).await;
    check("soon", 0, 2).await;
    check("99999999999999999999999999999", 300, 331).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_pause_and_tell_and_nothing_is_lost_when_they_are_put_right() {
    for status in [401, 403, 404] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::new(move |_, at| Ok(Response::new(if at < HOUR { status } else { 202 })));
        let bench = Setup::spooling(dir.path()).start(&receiver);
        bench.send(0..50);
        tokio::time::sleep(HOUR / 2).await;
        assert_eq!(bench.handle.report().state, DeliveryState::Paused);
        assert!(receiver.requests().len() < 20, "{} tries in half an hour", receiver.requests().len());
        assert!(bench.notices.lock().unwrap().iter().any(|notice| notice.kind == NoticeKind::Paused));
        bench.until_done(2 * HOUR).await;
        assert_eq!(receiver.taken().len(), 50);
        assert_eq!(bench.outcomes().dropped.total(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_halved_and_only_what_is_alone_too_large_is_dropped() {
    let too_large = |items: &[u64]| items.len() > 3 || items.contains(&4);
    let receiver = Receiver::new(move |items, _| Ok(Response::new(if too_large(items) { 413 } else { 200 })));
    let bench = Setup::default().start(&receiver);
    bench.send(0..10);
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!(outcomes.delivered, 9);
    assert_eq!(lost(&outcomes, DropReason::TooLarge), 1);
    assert!(!receiver.taken().contains(&4));
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_bisected_and_only_the_culprits_are_dropped_and_kept_to_be_looked_at() {
    for status in [400, 422] {
        let dir = tempfile::tempdir().unwrap();
        let bad = |number: &u64| [3, 17, 18].contains(number);
        let receiver = Receiver::new(move |items, at| {
            let down = at < Duration::from_secs(5);
            Ok(Response::new(if down {
                503
            } else if items.iter().any(bad) {
                status
            } else {
                200
            }))
        });
        let bench = Setup::spooling(dir.path()).start(&receiver);
        bench.send(0..40);
        bench.until_done(HOUR).await;
        let outcomes = bench.shutdown(Duration::from_secs(2)).await;
        assert_eq!(outcomes.delivered, 37);
        assert_eq!(lost(&outcomes, DropReason::Rejected), 3);
        assert_eq!(receiver.taken(), (0..40).filter(|number| !bad(number)).collect());
        assert_eq!(kept_to_be_looked_at(dir.path()), 3);
    }
}

fn kept_to_be_looked_at(dir: &std::path::Path) -> usize {
    let kept = crate::spool::list(dir).unwrap();
    kept.iter().filter(|file| file.status == crate::spool::SpoolStatus::Rejected).count()
}

#[tokio::test(start_paused = true)]
async fn what_a_healthy_receiver_refuses_is_kept_although_nothing_was_spooled_before() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Setup::spooling(dir.path()).start(&Receiver::always(400));
    bench.send(0..5);
    bench.until_done(HOUR).await;
    let outcomes = bench.shutdown(Duration::from_secs(2)).await;
    assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::Rejected)), (0, 5));
    assert_eq!(kept_to_be_looked_at(dir.path()), 5);
}

#[tokio::test(start_paused = true)]
async fn refused_items_that_the_disk_did_not_take_leave_the_room_to_later_ones() {
    let disk = SimulatedDisk::default();
    let bench = on(&disk, Setup::default()).start(&Receiver::always(400));
    disk.set_fault(|step, _| (step == Step::Write).then_some(ENOSPC));
    bench.send(0..100);
    bench.until_done(HOUR).await;
    disk.heal();
    bench.send(100..200);
    bench.until_done(HOUR).await;
    let kept = disk.names().iter().filter(|name| name.ends_with(".rejected")).count();
    assert_eq!(kept, 64, "as many as there is room for");
}

#[tokio::test(start_paused = true)]
async fn every_status_has_its_meaning() {
    for (status, expected) in [
        (200, "delivered"),
        (202, "delivered"),
        (204, "delivered"),
        (408, "retried"),
        (429, "retried"),
        (500, "retried"),
        (502, "retried"),
        (504, "retried"),
        (501, "dropped"),
        (410, "dropped"),
        (302, "retried"),
    ] {
        let receiver = Receiver::always(status);
        let bench = Setup::default().start(&receiver);
        bench.send([1]);
        tokio::time::sleep(Duration::from_secs(200)).await;
        let outcomes = bench.outcomes();
        let what = match (outcomes.delivered, outcomes.pending, lost(&outcomes, DropReason::PermanentStatus))
        {
            (1, 0, 0) => "delivered",
            (0, 1, 0) if outcomes.retries > 0 => "retried",
            (0, 0, 1) => "dropped",
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(what, expected, "{status}");
    }
}

/// Of which a success may refuse some items, as the header `rejected` says.
struct InPart(TestDestination);

impl Destination for InPart {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        self.0.assemble(items)
    }

    fn classify(&self, response: &Response) -> Disposition {
        match response.header("rejected") {
            Some(count) => {
                Disposition::PartlyRejected { rejected: count.parse().unwrap(), reason: "odd".to_owned() }
            }
            None => Disposition::standard(response),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_partial_success_refuses_is_counted_and_told_and_not_sent_again() {
    for (said, delivered, rejected) in [("1", 2, 1), ("9", 0, 3)] {
        let receiver = Receiver::new(move |items, _| {
            let answer = Response::new(200);
            Ok(if items.contains(&0) { answer.with_header("rejected", said) } else { answer })
        });
        let setup = Setup::default();
        let destination = TestDestination { limits: setup.limits, identity: setup.identity.clone() };
        let bench = setup.start_with(&receiver, InPart(destination));
        bench.send(0..3);
        bench.until_done(HOUR).await;
        let outcomes = bench.outcomes();
        assert_eq!(
            (outcomes.delivered, lost(&outcomes, DropReason::Rejected)),
            (delivered, rejected),
            "{said}"
        );
        assert_eq!(receiver.requests().len(), 1, "nothing is sent again");
        let told = bench.notices.lock().unwrap().clone();
        let start = format!("the receiver refused {said} of 3 items: ");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].kind == NoticeKind::Dropped && told[0].message.starts_with(&start), "{told:?}");
        assert!(told[0].message.contains("odd"), "{told:?}");
        bench.send([3]);
        bench.until_done(HOUR).await;
        assert_eq!(bench.outcomes().delivered, delivered + 1, "a fresh one passes");
    }
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_the_next_request_is_a_small_probe() {
    let receiver = Receiver::new(|_, at| match at.as_secs() {
        0..60 => Err(TransportError::Connect("refused".to_owned())),
        _ => Ok(Response::new(200)),
    });
    let mut setup = Setup::default();
    setup.limits.max_items = 100;
    let bench = setup.start(&receiver);
    bench.send(0..100);
    bench.until_done(HOUR).await;
    let requests = receiver.requests();
    assert!(requests[..3].iter().all(|(_, items)| items.len() == 100));
    let first_success = requests.iter().position(|(at, _)| at.as_secs() >= 60).unwrap();
    assert!(requests[3..=first_success].iter().all(|(_, items)| items.len() == 8), "probes are small");
    assert_eq!(receiver.duplicates(), 0);
    assert_eq!(receiver.order(), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_do_not_come_back_at_once() {
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 300 { 503 } else { 200 })));
    let mut benches = Vec::new();
    for seed in 0..20 {
        println!("seed {seed}");
        let bench = Setup { seed, ..Setup::default() }.start(&receiver);
        bench.send([seed]);
        benches.push(bench);
    }
    for bench in &benches {
        bench.until_done(HOUR).await;
    }
    // The last two minutes of the outage in slots of ten seconds: peak over mean.
    let mut slots = [0_u32; 12];
    for (at, _) in receiver.requests() {
        if let Some(slot) =
            at.as_secs().checked_sub(180).and_then(|s| slots.get_mut(usize::try_from(s / 10).unwrap()))
        {
            *slot += 1;
        }
    }
    let (peak, sum) = (*slots.iter().max().unwrap(), slots.iter().sum::<u32>());
    assert!(peak * 12 <= sum * 3, "peak {peak} of {sum} in {slots:?}");
}

#[tokio::test(start_paused = true)]
async fn half_of_all_requests_failing_loses_and_invents_nothing() {
    for seed in [1, 2, 3] {
        println!("seed {seed}");
        let dir = tempfile::tempdir().unwrap();
        let random = std::sync::Mutex::new(crate::delivery::backoff::Random::seeded(seed));
        let receiver = Receiver::new(move |_, _| match random.lock().unwrap().next() % 4 {
            0 => Ok(Response::new(503)),
            1 => Err(TransportError::Broken("reset".to_owned())),
            _ => Ok(Response::new(200)),
        });
        let bench = Setup { seed, ..Setup::spooling(dir.path()) }.start(&receiver);
        for start in (0..500).step_by(5) {
            bench.send(start..start + 5);
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        bench.until_done(2 * HOUR).await;
        assert_eq!(receiver.order(), (0..500).collect::<Vec<_>>());
        assert_eq!(receiver.duplicates(), 0);
        assert_eq!(bench.outcomes().delivered, 500);
    }
}
