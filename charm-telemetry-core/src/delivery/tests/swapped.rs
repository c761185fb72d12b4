//! The directory for state is replaced under a process that runs.
//!
//! Rule: what was in the old one arrives or is counted, once; what comes later passes.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, HOUR, Receiver, Setup, lost};
use crate::delivery::Response;
use crate::outcome::DropReason;
use crate::spool::list;

/// What somebody does to the directory for state, and whether the files in it are still found.
type Deed = (&'static str, fn(&Path, &Path), bool);

const DEEDS: [Deed; 8] = [
    ("deleted", |state, _| std::fs::remove_dir_all(state).unwrap(), false),
    ("deleted and made anew", |state, _| anew(state), false),
    ("renamed away", |state, aside| std::fs::rename(state, aside).unwrap(), false),
    ("swapped for a link to itself", |state, aside| linked(state, aside, aside), true),
    ("swapped for a link to another", |state, aside| linked(state, aside, aside.parent().unwrap()), false),
    ("swapped for a link to nothing", |state, aside| linked(state, aside, Path::new("/no/where")), false),
    ("swapped for a copy of itself", copied, true),
    ("swapped for a file", |state, aside| filed(state, aside), false),
];

fn anew(state: &Path) {
    std::fs::remove_dir_all(state).unwrap();
    std::fs::create_dir(state).unwrap();
}

fn linked(state: &Path, aside: &Path, to: &Path) {
    std::fs::rename(state, aside).unwrap();
    symlink(to, state).unwrap();
}

fn filed(state: &Path, aside: &Path) {
    std::fs::rename(state, aside).unwrap();
    std::fs::write(state, "a file").unwrap();
}

fn copied(state: &Path, aside: &Path) {
    std::fs::rename(state, aside).unwrap();
    assert!(Command::new("cp").arg("-a").args([aside, state]).status().unwrap().success());
}

fn down_for_an_hour() -> Arc<Receiver> {
    Receiver::new(|_, at| Ok(Response::new(if at < HOUR { 503 } else { 200 })))
}

async fn spooled(state: &Path, receiver: &Arc<Receiver>) -> Bench {
    let bench = Setup::spooling(state).start(receiver);
    bench.send(0..30);
    bench.until(HOUR, |outcomes| outcomes.spooled == 30).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn whatever_is_put_in_its_place_nothing_is_lost_without_a_name_and_later_items_pass() {
    for (deed, act, is_found) in DEEDS {
        let root = tempfile::tempdir().unwrap();
        let (state, aside) = (root.path().join("state"), root.path().join("aside"));
        let receiver = down_for_an_hour();
        let bench = spooled(&state, &receiver).await;
        act(&state, &aside);
        bench.send(30..60);
        tokio::time::sleep(HOUR / 4).await;
        let is_usable = !["swapped for a link to nothing", "swapped for a file"].contains(&deed);
        let before = bench.outcomes();
        let kept = if is_usable { before.spooled } else { before.pending };
        assert!(kept >= 30, "{deed}: {before:?}");
        bench.until_done(3 * HOUR).await;
        let outcomes = bench.outcomes();
        let gone = if is_found { 0 } else { 30 };
        assert_eq!((lost(&outcomes, DropReason::Corrupt), outcomes.dropped.total()), (gone, gone), "{deed}");
        assert_eq!((receiver.order(), receiver.duplicates()), ((gone..60).collect(), 0), "{deed}");
        bench.send([60]);
        bench.until_done(HOUR).await;
        bench.shutdown(Duration::from_secs(1)).await;
        assert_eq!(list(&state).unwrap_or_default(), [], "{deed}: nothing is left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_in_its_place_belongs_to_the_process_that_runs_and_to_no_other() {
    let root = tempfile::tempdir().unwrap();
    let (state, aside) = (root.path().join("state"), root.path().join("aside"));
    let receiver = down_for_an_hour();
    let bench = spooled(&state, &receiver).await;
    copied(&state, &aside);
    bench.send(30..60);
    bench.until(HOUR, |outcomes| outcomes.spooled == 60).await;
    assert!(list(&state).unwrap().iter().all(|file| file.in_use), "it is locked again");
    let other = Setup::spooling(&state).start(&Receiver::always(200));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(other.shutdown(Duration::from_secs(1)).await.adopted, 0);
    bench.until_done(3 * HOUR).await;
    assert_eq!((receiver.order(), receiver.duplicates()), ((0..60).collect(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_another_process_was_faster_to_take_is_sent_by_that_one_alone() {
    let root = tempfile::tempdir().unwrap();
    let (state, aside) = (root.path().join("state"), root.path().join("aside"));
    // Paused: it does not look at its files before the other one has them.
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at < HOUR { 403 } else { 200 })));
    let bench = spooled(&state, &receiver).await;
    copied(&state, &aside);
    // Down for longer: it still has them when the first one looks.
    let down = Receiver::new(|_, at| Ok(Response::new(if at < 2 * HOUR { 503 } else { 200 })));
    let other = Setup::spooling(&state).start(&down);
    other.until(HOUR, |outcomes| outcomes.adopted > 0).await;
    bench.send(30..60);
    bench.until_done(3 * HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::Corrupt)), (30, 30), "{outcomes:?}");
    assert_eq!(receiver.order(), (30..60).collect::<Vec<_>>());
    assert_eq!(other.outcomes().adopted, 30);
    other.until_done(3 * HOUR).await;
    let outcomes = other.shutdown(Duration::from_secs(1)).await;
    assert_eq!((outcomes.delivered, outcomes.dropped.total()), (30, 0), "{outcomes:?}");
}
