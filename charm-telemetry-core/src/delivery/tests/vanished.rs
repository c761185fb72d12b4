//! One of many batches on a real disk is taken away or damaged from outside.
//!
//! Rule: the others arrive in order, and what the missing one held is counted.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::bench::{Bench, HOUR, Receiver, Setup, lost};
use super::undeletable::own_dir;
use crate::delivery::{DeliveryOutcomes, NoticeKind, Response};
use crate::outcome::DropReason;

const ITEMS: u64 = 300;
/// The items of the batch in the middle.
const HIT: std::ops::Range<u64> = 150..160;

/// What somebody does to a file, and how many of its items that costs.
type Deed = (&'static str, fn(&Path), u64);

const DEEDS: [Deed; 9] = [
    ("removed", |path| std::fs::remove_file(path).unwrap(), 10),
    ("moved away", |path| std::fs::rename(path, path.with_extension("mine")).unwrap(), 10),
    ("emptied", |path| std::fs::write(path, "").unwrap(), 10),
    ("overwritten", |path| std::fs::write(path, "holiday pictures").unwrap(), 10),
    ("cut in the middle of an item", |path| change(path, |bytes| bytes.truncate(bytes.len() - 5)), 1),
    ("hit in an item", |path| change(path, |bytes| bytes[80] ^= 1), 1),
    ("swapped for a dangling link", |path| swap(path, |path| symlink("/nowhere", path).unwrap()), 10),
    ("swapped for a directory", |path| swap(path, |path| std::fs::create_dir(path).unwrap()), 10),
    ("swapped for a pipe that nobody writes to", |path| swap(path, pipe), 10),
];

fn change(path: &Path, deed: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    deed(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn swap(path: &Path, deed: impl Fn(&Path)) {
    std::fs::remove_file(path).unwrap();
    deed(path);
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// The batch in the middle, by its first item.
fn middle(state: &Path) -> PathBuf {
    let start = format!(r#"{{"id":{},"#, HIT.start);
    let mut files = std::fs::read_dir(own_dir(state)).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(&start)).unwrap()
}

/// A delivery that has spooled everything.
async fn spooled(state: &Path, receiver: &Arc<Receiver>) -> Bench {
    let bench = Setup::spooling(state).start(receiver);
    bench.send(0..ITEMS);
    bench.until(HOUR, |outcomes| outcomes.spooled == ITEMS).await;
    assert_eq!(std::fs::read_dir(own_dir(state)).unwrap().count() as u64, ITEMS / 10 + 1);
    bench
}

/// Lets all that can arrive, and a fresh item, and compares.
async fn settle(deed: &str, bench: &Bench, receiver: &Receiver, cost: u64) -> DeliveryOutcomes {
    bench.send([ITEMS]);
    bench.until_done(3 * HOUR).await;
    let order = receiver.order();
    let expected = (0..=ITEMS).filter(|number| !HIT.contains(number) || order.contains(number));
    assert!(order.iter().copied().eq(expected), "{deed}: the others come in order: {order:?}");
    assert_eq!((order.len() as u64, receiver.duplicates()), (ITEMS + 1 - cost, 0), "{deed}");
    let outcomes = bench.outcomes();
    assert_eq!(outcomes.delivered, ITEMS + 1 - cost, "{deed}: {outcomes:?}");
    outcomes
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_the_middle_that_is_hit_while_running_hides_no_other_and_is_counted() {
    for (deed, act, cost) in DEEDS {
        let state = tempfile::tempdir().unwrap();
        let receiver = Receiver::new(|_, at| Ok(Response::new(if at < HOUR { 503 } else { 200 })));
        let bench = spooled(state.path(), &receiver).await;
        act(&middle(state.path()));
        let outcomes = settle(deed, &bench, &receiver, cost).await;
        assert_eq!(lost(&outcomes, DropReason::Corrupt), cost, "{deed}: {outcomes:?}");
        let gone = ["removed", "moved away", "swapped for a dangling link"].contains(&deed);
        assert_eq!(outcomes.quarantined, u64::from(!gone), "{deed}: what is not there is not set aside");
        let kind = if gone { NoticeKind::Dropped } else { NoticeKind::Quarantined };
        let lost = if cost == 1 {
            "1 item of the spool is lost".to_owned()
        } else {
            format!("{cost} items of the spool are lost")
        };
        let told = format!("{lost}: corrupt");
        let notices = bench.notices.lock().unwrap().clone();
        assert!(notices.iter().any(|n| n.kind == kind && n.message == told), "{deed}: {notices:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_the_middle_that_is_hit_between_two_starts_hides_no_other_and_what_is_there_of_it_is_counted()
 {
    for (deed, act, cost) in DEEDS {
        let state = tempfile::tempdir().unwrap();
        spooled(state.path(), &Receiver::always(503)).await.kill().await;
        act(&middle(state.path()));
        let receiver = Receiver::always(200);
        let bench = Setup::spooling(state.path()).start(&receiver);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let outcomes = settle(deed, &bench, &receiver, cost).await;
        // Of a file that is not there nothing says that it ever was.
        let known = if ["removed", "moved away"].contains(&deed) { 0 } else { cost };
        assert_eq!(outcomes.adopted, ITEMS - cost + known, "{deed}: {outcomes:?}");
        assert_eq!(lost(&outcomes, DropReason::Corrupt), known, "{deed}: {outcomes:?}");
        bench.shutdown(Duration::from_secs(1)).await;
        let again = Setup::spooling(state.path()).start(&receiver);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let outcomes = again.shutdown(Duration::from_secs(1)).await;
        assert_eq!((outcomes.adopted, outcomes.dropped.total()), (0, 0), "{deed}: counted once");
    }
}
