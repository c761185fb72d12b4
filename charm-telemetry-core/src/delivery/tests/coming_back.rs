//! Twenty clients whose receiver was away: how they come back once it is there again.
//!
//! Rule: in no window are there more than three times as many requests as in the mean one, and nothing is lost.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use super::bench::{Bench, HOUR, Receiver, Setup};
use super::simulated_disk::SimulatedDisk;
use super::spool_faults::on;
use crate::delivery::Response;
use crate::delivery::backoff::Random;

const CLIENTS: u64 = 20;
/// The numbers of a client's items begin here, times its own number.
const EACH: u64 = 100_000;
/// The longest back-off: by then everybody has come.
const SPAN: u64 = 60;
const WINDOW: u64 = 10;
const WINDOWS: usize = 6;

/// What came in each window after the outage.
type Windows = [u32; WINDOWS];

fn window_of(at: Duration, end: Duration) -> Option<usize> {
    let after = at.checked_sub(end)?.as_secs() / WINDOW;
    usize::try_from(after).ok().filter(|&window| window < WINDOWS)
}

/// Peak over mean.
fn peak(windows: Windows) -> f64 {
    let mean = f64::from(windows.iter().sum::<u32>()) / f64::from(u8::try_from(WINDOWS).unwrap());
    f64::from(windows.into_iter().max().unwrap()) / mean
}

/// Lets twenty clients of this seed meet an outage, and returns what came after it, as [`count`] has it.
async fn outage(seed: u64, seconds: u64, failing: u64) -> (Windows, Windows) {
    let end = Duration::from_secs(seconds);
    let random = Mutex::new(Random::seeded(seed));
    let receiver = Receiver::new(move |_, at| {
        let fails = at < end
            || (at < end + Duration::from_secs(SPAN) && random.lock().unwrap().next() % 100 < failing);
        Ok(Response::new(if fails { 503 } else { 200 }))
    });
    let start =
        |client| on(&SimulatedDisk::default(), Setup { seed: seed * 1000 + client, ..Setup::default() });
    let benches: Vec<Bench> = (0..CLIENTS).map(|client| start(client).start(&receiver)).collect();
    // A batch a minute from each, as long as the receiver is away.
    let items = seconds / 60 * 10;
    for number in (0..items).step_by(10) {
        for (client, bench) in (0..).zip(&benches) {
            bench.send((number..number + 10).map(|number| client * EACH + number));
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let mut issued: BTreeSet<u64> =
        (0..CLIENTS).flat_map(|client| (0..items).map(move |number| client * EACH + number)).collect();
    for bench in &benches {
        bench.until_done(HOUR).await;
    }
    for (client, bench) in (0..).zip(benches) {
        bench.send([client * EACH + EACH - 1]);
        issued.insert(client * EACH + EACH - 1);
        let outcomes = bench.shutdown(Duration::from_secs(5)).await;
        assert_eq!((outcomes.delivered, outcomes.dropped.total()), (items + 1, 0), "client {client}");
    }
    assert_eq!(receiver.taken(), issued, "everything that was issued, and nothing else");
    count(&receiver, end)
}

/// The retries in each window, and all requests: those that bring what has waited meanwhile too.
fn count(receiver: &Receiver, end: Duration) -> (Windows, Windows) {
    let (mut retries, mut all) = ([0; WINDOWS], [0; WINDOWS]);
    let (mut tried, mut back) = (BTreeSet::new(), BTreeSet::new());
    for (at, items) in receiver.requests() {
        let is_retry = !tried.insert(items[0]);
        let Some(window) = window_of(at, end) else { continue };
        all[window] += 1;
        retries[window] += u32::from(is_retry);
        back.insert(items[0] / EACH);
    }
    assert_eq!(back.len() as u64, CLIENTS, "everybody is back within a minute");
    (retries, all)
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_come_back_spread_over_a_minute_after_a_common_outage() {
    for (seconds, failing) in [(300, 0), (3600, 0), (300, 50)] {
        for seed in [1, 2, 3] {
            let (retries, all) = outage(seed, seconds, failing).await;
            println!(
                "seed {seed}: away for {seconds} s, then {failing} % failing: retries {retries:?}, peak/mean {:.2}; \
                 all requests {all:?}, peak/mean {:.2}",
                peak(retries),
                peak(all)
            );
            assert!(peak(retries) <= 3.0, "seed {seed}: {retries:?}");
            // A client that fails again and again leaves what has waited for later: no matter of who comes when.
            assert!(failing > 0 || peak(all) <= 3.0, "seed {seed}: {all:?}");
        }
    }
}

/// When twenty clients of this seed come back that were all told at once to stay away for so long.
async fn told_to_wait(seed: u64, seconds: u64) -> Vec<Duration> {
    let receiver = Receiver::new(move |_, at| {
        let limited = || Response::new(429).with_header("Retry-After", seconds.to_string());
        Ok(if at < Duration::from_millis(900) { limited() } else { Response::new(200) })
    });
    let start = |client| Setup { seed: seed * 1000 + client, ..Setup::default() }.start(&receiver);
    let benches: Vec<Bench> = (0..CLIENTS).map(start).collect();
    for (client, bench) in (0..).zip(&benches) {
        bench.send(client * EACH..client * EACH + 10);
    }
    for bench in &benches {
        bench.until_done(HOUR).await;
    }
    assert_eq!(receiver.taken().len() as u64, CLIENTS * 10, "everybody is back");
    let requests = receiver.requests().split_off(benches.len());
    assert_eq!(requests.len() as u64, CLIENTS, "nobody asked again meanwhile");
    requests.into_iter().map(|(at, _)| at).collect()
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_that_were_told_the_same_time_come_back_after_it_and_spread() {
    for (seconds, span) in [(1, Duration::from_secs(1)), (120, Duration::from_secs(12))] {
        let wish = Duration::from_secs(seconds);
        for seed in [1, 2, 3] {
            let mut windows: Windows = [0; WINDOWS];
            for at in told_to_wait(seed, seconds).await {
                let later = at.checked_sub(wish).expect("nobody comes before the time that was told");
                // The first request took a moment, and so did this one.
                let window = usize::try_from(later.as_millis() * 6 / span.as_millis()).unwrap();
                windows[window.min(WINDOWS - 1)] += 1;
            }
            println!("seed {seed}: told {seconds} s: {windows:?}, peak/mean {:.2}", peak(windows));
            assert!(peak(windows) <= 3.0, "seed {seed}, {seconds} s: {windows:?}");
        }
    }
}
