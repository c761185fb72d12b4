//! A full spool, damaged in the middle, before a dead endpoint: a process that has nothing to do does nothing.
//!
//! The test runs itself as a child, so that what it measures is the time of one delivery alone.

use std::io::BufRead;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::bench::payload;
use super::killed::To;
use crate::delivery::{Delivery, DeliveryConfig, DeliveryHandle, Item, SpoolConfig};
use crate::outcome::DropReason;
use crate::testing::{Answer, ReceiverDouble};

const CHILD_URL: &str = "CHARM_TEST_IDLE_URL";
const CHILD_DIR: &str = "CHARM_TEST_IDLE_DIR";
const FILES: u64 = 1_000;
const MEASURED: Duration = Duration::from_secs(5);

fn config(dir: &Path, max_bytes: u64) -> DeliveryConfig {
    let spool = SpoolConfig { max_bytes, ..SpoolConfig::in_dir(dir) };
    DeliveryConfig { spool, tell: Some(Arc::new(|_| {})), ..DeliveryConfig::default() }
}

#[test]
fn a_full_and_damaged_spool_before_a_dead_endpoint_takes_less_than_a_twentieth_of_a_core() {
    if let Ok(url) = std::env::var(CHILD_URL) {
        return child(&url, Path::new(&std::env::var(CHILD_DIR).unwrap()));
    }
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let test = "delivery::tests::idle::a_full_and_damaged_spool_before_a_dead_endpoint_takes_less_than_a_twentieth_of_a_core";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let done = command.env(CHILD_URL, dead_endpoint()).env(CHILD_DIR, dir.path()).output().unwrap();
    let words: Vec<_> = done.stdout.lines().map_while(Result::ok).collect();
    assert!(done.status.success(), "{words:#?} {}", String::from_utf8_lossy(&done.stderr));
    let number = |name: &str| -> u64 {
        words.iter().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).expect("it was measured")
    };
    let (busy, spooled) = (number("busy microseconds"), number("spooled"));
    println!("{busy} µs in {MEASURED:?} with {spooled} items in the spool");
    assert!(u128::from(busy) < MEASURED.as_micros() / 20, "{busy} µs of {MEASURED:?}");
    assert!(spooled > FILES, "it was full: {spooled}");
    heal(dir.path(), spooled);
}

/// A dead process's spool with more batches than the cap lets be.
fn fill(dir: &Path) {
    let delivery = Delivery::start(To(dead_endpoint()), config(dir, 1 << 20)).unwrap();
    send(&delivery, 0..7);
    assert_eq!(delivery.shutdown(Duration::from_secs(5)).outcomes.spooled, 7);
    let first = batches(dir).remove(0);
    for number in 1_000..1_000 + FILES {
        std::fs::copy(&first, first.with_file_name(format!("{number:020}-7.batch"))).unwrap();
    }
}

fn send(delivery: &DeliveryHandle, numbers: std::ops::Range<u64>) {
    for number in numbers {
        delivery.send(Item::new(payload(number).into_bytes()));
    }
}

/// Where nobody listens any more.
pub(super) fn dead_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

pub(super) fn batches(dir: &Path) -> Vec<PathBuf> {
    let dirs = std::fs::read_dir(dir.join("spool/killed")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        dirs.flat_map(|dir| std::fs::read_dir(dir).unwrap()).map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "batch"));
    files.sort();
    files
}

/// Adopts what fits, has its files damaged, and measures itself while nothing can be done.
fn child(url: &str, dir: &Path) {
    let size = batches(dir)[0].metadata().unwrap().len();
    let delivery = Delivery::start(To(url.to_owned()), config(dir, size * (FILES - 100))).unwrap();
    wait_until(|| delivery.report().outcomes.adopted > 0);
    send(&delivery, 100..107);
    wait_until(|| delivery.report().outcomes.accepted == 7 && delivery.report().outcomes.pending == 0);
    let files = batches(dir);
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::create_dir(&files[0]).unwrap();
    std::fs::remove_file(&files[files.len() / 2]).unwrap();
    std::fs::write(&files[files.len() / 3], "holiday pictures").unwrap();
    let (before, started) = (busy(), Instant::now());
    std::thread::sleep(MEASURED);
    let busy = busy().saturating_sub(before) * u32::try_from(MEASURED.as_millis()).unwrap()
        / u32::try_from(started.elapsed().as_millis()).unwrap();
    let outcomes = delivery.shutdown(Duration::from_secs(2)).outcomes;
    assert!(outcomes.is_balanced() && outcomes.dropped.by(DropReason::SpoolFull) > 0, "{outcomes:?}");
    println!("\nbusy microseconds {}\nspooled {}", busy.as_micros(), outcomes.spooled);
}

/// The processor time of this process so far.
fn busy() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

pub(super) fn wait_until(done: impl Fn() -> bool) {
    let is_done = (0..2_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        done()
    });
    assert!(is_done, "in twenty seconds");
}

/// The next start with a receiver sends all that is whole, and counts the rest.
fn heal(dir: &Path, spooled: u64) {
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(200));
    // The directory is read again after half a minute, up to five times: it is gone by then.
    batches(dir).into_iter().filter(|path| path.is_dir()).for_each(|path| std::fs::remove_dir(path).unwrap());
    let delivery = Delivery::start(To(receiver.url("/")), config(dir, 1 << 30)).unwrap();
    send(&delivery, 200..207);
    wait_until(|| delivery.report().outcomes.accepted == 7 && delivery.report().outcomes.pending == 0);
    let outcomes = delivery.shutdown(Duration::from_mins(1)).outcomes;
    let arrived: usize =
        receiver.requests().iter().map(|request| request.json().as_array().unwrap().len()).sum();
    assert_eq!((outcomes.spooled, outcomes.delivered), (0, arrived as u64), "{outcomes:?}");
    // Overwritten, and removed: the latter nobody knows of any more.
    assert_eq!(outcomes.dropped.by(DropReason::Corrupt), 7, "{outcomes:?}");
    assert_eq!(outcomes.delivered, spooled + 7 - 3 * 7, "{outcomes:?}");
    assert!(batches(dir).is_empty());
}
