//! A laptop that is closed while something is on its way, and opened hours later.
//!
//! Rule: time that passed in sleep costs no item and no wait; the wall clock jumps, and nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bench::{HOUR, Receiver, Reply, Setup, TestClock, lost};
use super::simulated_disk::SimulatedDisk;
use super::spool_faults::on;
use crate::delivery::Response;
use crate::delivery::transport::TransportError;
use crate::outcome::DropReason;

const HOURS: i64 = 3600;

/// The computer sleeps for so long while the first request is on its way: its connection is dead afterwards. Later ones
/// are answered with this status.
fn asleep_in_the_first_request(clock: &Arc<TestClock>, seconds: i64, status: u16) -> Arc<Receiver> {
    let (clock, slept) = (clock.clone(), AtomicBool::new(false));
    Receiver::new(move |_, _| -> Reply {
        if slept.swap(true, Ordering::Relaxed) {
            return Ok(Response::new(status));
        }
        clock.step(seconds);
        Err(TransportError::Broken("connection reset".to_owned()))
    })
}

#[tokio::test(start_paused = true)]
async fn after_eight_hours_of_sleep_a_dead_connection_is_replaced_within_a_second_and_nothing_is_lost() {
    let setup = Setup::default();
    let receiver = asleep_in_the_first_request(&setup.clock, 8 * HOURS, 200);
    let bench = on(&SimulatedDisk::default(), setup).start(&receiver);
    bench.send(0..30);
    bench.until_done(HOUR).await;
    let requests = receiver.requests();
    assert!(requests[1].0.abs_diff(requests[0].0) <= Duration::from_millis(1100), "{requests:?}");
    assert_eq!(receiver.order(), (0..30).collect::<Vec<_>>());
    assert_eq!((bench.outcomes().dropped.total(), receiver.duplicates()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_spooled_around_a_sleep_is_adopted_by_the_next_start_unless_it_was_too_long() {
    for (seconds, expired) in [(8 * HOURS, 0), (8 * 24 * HOURS, 10)] {
        let disk = SimulatedDisk::default();
        let setup = Setup::default();
        let clock = setup.clock.clone();
        let receiver = Receiver::always(503);
        let bench = on(&disk, setup).start(&receiver);
        bench.send(0..10);
        bench.until(HOUR, |outcomes| outcomes.spooled == 10).await;
        clock.step(seconds);
        bench.send(10..20);
        tokio::time::sleep(HOUR).await;
        assert_eq!(bench.outcomes().spooled, 20, "a process that lives goes by a clock that nobody sets");
        bench.kill().await;
        let (setup, receiver) = (Setup::default(), Receiver::always(200));
        setup.clock.step(seconds + HOURS);
        let bench = on(&disk, setup).start(&receiver);
        bench.until(HOUR, |outcomes| outcomes.adopted == 20 && outcomes.spooled == 0).await;
        assert_eq!(lost(&bench.outcomes(), DropReason::Expired), expired, "{seconds} seconds");
        assert_eq!(receiver.order(), (expired..20).collect::<Vec<_>>(), "{seconds} seconds");
    }
}
