//! Wall clocks that are set, wrong or at the end of their digits, and a spool that outlives processes.
//!
//! Rule: a clock that errs expires nothing, hides nothing and changes no order.

use super::bench::{HOUR, Receiver, Setup, lost, seeds};
use super::simulated_disk::SimulatedDisk;
use super::spool_faults::{leave, on, start_healthy};
use crate::outcome::DropReason;

#[tokio::test(start_paused = true)]
async fn steps_of_the_wall_clock_expire_nothing_in_a_process_that_lives() {
    for seed in seeds() {
        const YEARS: i64 = 10 * 365 * 24 * 3600;
        for step in [1, -1, 3600, -3600, YEARS, -YEARS, 8 * 3600, 8 * 24 * 3600] {
            let disk = SimulatedDisk::default();
            let setup = Setup::default().seeded(seed);
            let clock = setup.clock.clone();
            let receiver =
                Receiver::new(|_, at| Ok(crate::delivery::Response::new(if at < HOUR { 503 } else { 200 })));
            let bench = on(&disk, setup).start(&receiver);
            bench.send(0..20);
            tokio::time::sleep(HOUR / 2).await;
            clock.step(step);
            bench.send(20..40);
            bench.until_done(3 * HOUR).await;
            bench.send([40]);
            bench.until_done(HOUR).await;
            assert_eq!(receiver.order(), (0..=40).collect::<Vec<_>>(), "step {step}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_years_off_at_the_next_start_expires_nothing_but_a_real_age_counts() {
    for seed in seeds() {
        const DAY: i64 = 24 * 3600;
        let check = async |seconds_later: i64, arrive: usize| {
            let disk = SimulatedDisk::default();
            leave(&disk, Setup::default(), 0..20).await;
            let setup = Setup::default().seeded(seed);
            setup.clock.step(seconds_later);
            if seconds_later == i64::MIN {
                setup.clock.set(1);
            }
            let (bench, receiver) = start_healthy(&disk, setup).await;
            bench.until_done(HOUR).await;
            assert_eq!(receiver.taken().len(), arrive, "{seconds_later} seconds later");
            assert_eq!(lost(&bench.outcomes(), DropReason::Expired), 20 - arrive as u64);
            bench.send([20]);
            bench.until_done(HOUR).await;
            assert!(receiver.taken().contains(&20), "a fresh one passes");
        };
        // Of a leap second: the start is one to three seconds before what the batch says of itself.
        check(-1, 20).await;
        check(0, 20).await;
        check(1, 20).await;
        check(3600, 20).await;
        check(-3600, 20).await;
        check(6 * DAY, 20).await;
        check(8 * DAY, 0).await;
        check(3650 * DAY, 20).await;
        check(-3650 * DAY, 20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_at_1970_expires_nothing_and_keeps_ids_unique() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..20).await;
    let setup = Setup::default();
    setup.clock.set(0);
    leave(&disk, setup, 20..40).await;
    let setup = Setup::default();
    setup.clock.set(0);
    let (bench, receiver) = start_healthy(&disk, setup).await;
    bench.until_done(HOUR).await;
    assert_eq!(receiver.order(), (0..40).collect::<Vec<_>>());
    assert_eq!(receiver.duplicates(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_several_processes_left_is_sent_in_their_order_however_the_clock_was_set_between_them() {
    const DAY: i64 = 24 * 3600;
    // From where on a clock has one more digit than the names of directories are padded to.
    const DIGIT: i64 = 100_000_000_000 - 1_795_000_000;
    for steps in [[0, -2 * DAY, -3600], [DIGIT - 10, DIGIT + 10, 0], [0, 0, 0]] {
        let disk = SimulatedDisk::default();
        for (process, step) in (0..).zip(steps) {
            let setup = Setup::default();
            setup.clock.step(step);
            leave(&disk, setup, process * 20..(process + 1) * 20).await;
        }
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        bench.send([60]);
        bench.until_done(HOUR).await;
        assert_eq!(receiver.order(), (0..=60).collect::<Vec<_>>(), "{steps:?}");
    }
}
