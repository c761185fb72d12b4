//! Runs that end: what belongs to them does not wait for company.
//!
//! Rule: one end is sent at once, many ends cost no more requests than the time between them allows.

use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup};
use super::simulated_disk::SimulatedDisk;
use super::spool_faults::on;

const MOMENT: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_is_sent_at_once_and_the_next_one_waits_its_time() {
    let receiver = Receiver::always(200);
    let mut setup = Setup::default();
    setup.limits.linger = HOUR;
    let bench = setup.start(&receiver);
    bench.send(0..3);
    tokio::time::sleep(MOMENT).await;
    assert!(receiver.requests().is_empty(), "it waits for company");
    bench.handle.nudge();
    tokio::time::sleep(MOMENT).await;
    assert_eq!(receiver.order(), [0, 1, 2]);
    bench.send(3..6);
    bench.handle.nudge();
    tokio::time::sleep(HOUR / 2).await;
    assert_eq!(receiver.order(), [0, 1, 2], "a request began less than an hour ago");
    tokio::time::sleep(HOUR).await;
    assert_eq!(receiver.order(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn ends_that_follow_one_another_go_together() {
    let receiver = Receiver::always(200);
    let mut setup = Setup::default();
    setup.limits.max_items = 1000;
    let bench = setup.start(&receiver);
    for number in 0..100 {
        bench.send([number]);
        bench.handle.nudge();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.until_done(HOUR).await;
    let requests = receiver.requests();
    assert!(requests.len() <= 7, "{} requests in five seconds", requests.len());
    assert!(requests[0].0 < MOMENT, "the first one went at once: {:?}", requests[0].0);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_of_which_nothing_waits_hurries_nobody() {
    let receiver = Receiver::always(200);
    let bench = Setup::default().start(&receiver);
    bench.handle.nudge();
    bench.send([0]);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(receiver.requests().is_empty());
    bench.until_done(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_receiver_takes_nothing_the_ends_of_runs_share_files_as_ever() {
    let disk = SimulatedDisk::default();
    let bench = on(&disk, Setup::default()).start(&Receiver::always(403));
    bench.send([0]);
    // The next try is a minute after the first.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let writes = disk.writes();
    for number in 1..10 {
        bench.send([number]);
        bench.handle.nudge();
        tokio::time::sleep(MOMENT).await;
    }
    bench.until(HOUR, |outcomes| outcomes.spooled == 10).await;
    assert_eq!(disk.writes() - writes, 1);
}
