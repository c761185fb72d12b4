//! What time does to what waits: its age across restarts, and when a destination counts as stuck.

use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup, item, lost};
use super::simulated_disk::SimulatedDisk;
use super::spool_faults::on;
use crate::delivery::shared::Shared;
use crate::delivery::{DeliveryConfig, DeliveryState, Limits, Response};
use crate::outcome::DropReason;

const DAY: i64 = 24 * 3600;

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_batch_that_was_delivered_in_part_keeps_its_age_across_a_restart() {
    let disk = SimulatedDisk::default();
    let bench = on(&disk, Setup::default()).start(&Receiver::always(503));
    bench.send(0..10);
    bench.until(HOUR, |outcomes| outcomes.spooled == 10).await;
    bench.kill().await;

    let setup = Setup::default();
    setup.clock.step(6 * DAY);
    let probes_only = |items: &[u64], at: Duration| items.len() == 8 && at.as_secs() > 60;
    let receiver =
        Receiver::new(move |items, at| Ok(Response::new(if probes_only(items, at) { 200 } else { 503 })));
    let bench = on(&disk, setup).start(&receiver);
    bench.until(HOUR, |outcomes| outcomes.delivered == 8).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    bench.kill().await;

    let setup = Setup::default();
    setup.clock.step(8 * DAY);
    let receiver = Receiver::always(200);
    let bench = on(&disk, setup).start(&receiver);
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!((outcomes.adopted, lost(&outcomes, DropReason::Expired)), (2, 2), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_item_after_a_long_idle_time_is_not_stuck() {
    let bench = Setup::default().start(&Receiver::always(200));
    tokio::time::sleep(HOUR).await;
    bench.send([1]);
    assert_eq!(bench.handle.report().state, DeliveryState::Ok);
    bench.until_done(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_receiver_asked_for_is_not_stuck() {
    let receiver = Receiver::new(|_, at| {
        let limited = Response::new(429).with_header("Retry-After", "315360000");
        Ok(if at < 2 * HOUR { limited } else { Response::new(200) })
    });
    for seed in 1..=5 {
        println!("seed {seed}");
        let bench = Setup { seed, ..Setup::default() }.start(&receiver);
        bench.send([1]);
        for _ in 0..HOUR.as_secs() / 3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_ne!(bench.handle.report().state, DeliveryState::Stuck);
        }
        bench.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_nobody_takes_for_five_minutes_is_stuck_however_many_come_after_it() {
    let shared = Shared::new("nobody".to_owned(), Limits::default(), DeliveryConfig::default());
    tokio::time::advance(HOUR).await;
    // The first one waits for company for a second.
    for number in 0..302 {
        assert_eq!(shared.report().state, DeliveryState::Ok, "after {number} seconds");
        shared.accept(item(number)).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(shared.report().state, DeliveryState::Stuck);
}
