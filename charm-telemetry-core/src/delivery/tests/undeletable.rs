//! Files of the spool that cannot be deleted.
//!
//! Rule: what was sent is not sent again by this process, whatever the disk does, nor by the next one, if the disk takes
//! another name at least.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::bench::{Bench, HOUR, Receiver, Setup, lost};
use super::simulated_disk::{EIO, ENOSPC, EROFS, SimulatedDisk, Step};
use super::spool_faults::on;
use crate::delivery::backoff::Random;
use crate::delivery::{NoticeKind, Response};
use crate::outcome::DropReason;

const EPERM: i32 = 1;
const MOMENT: Duration = Duration::from_secs(2);

/// Down for the first hour.
fn down_for_an_hour() -> Arc<Receiver> {
    Receiver::new(|_, at| Ok(Response::new(if at < HOUR { 503 } else { 200 })))
}

fn warnings(bench: &Bench) -> Vec<String> {
    let notices = bench.notices.lock().unwrap();
    let degraded = notices.iter().filter(|notice| notice.kind == NoticeKind::SpoolDegraded);
    degraded.map(|notice| notice.message.clone()).collect()
}

/// How many files have a name with this end.
fn named(disk: &SimulatedDisk, end: &str) -> usize {
    disk.names().iter().filter(|name| name.strip_suffix(end).is_some()).count()
}

/// A delivery with forty items on this disk.
async fn spooled(disk: &SimulatedDisk, receiver: &Arc<Receiver>) -> Bench {
    let bench = on(disk, Setup::default()).start(receiver);
    bench.send(0..40);
    bench.until(HOUR, |outcomes| outcomes.spooled == 40).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_twice_when_files_can_neither_be_deleted_nor_renamed_and_one_warning_is_given() {
    for error in [EROFS, EIO, EPERM] {
        let (disk, receiver) = (SimulatedDisk::default(), down_for_an_hour());
        let bench = spooled(&disk, &receiver).await;
        disk.set_fault(move |step, _| (step != Step::Read && step != Step::List).then_some(error));
        bench.until_done(2 * HOUR).await;
        bench.send(40..50);
        bench.until_done(HOUR).await;
        assert_eq!((receiver.order(), receiver.duplicates()), ((0..50).collect(), 0), "error {error}");
        let warnings = warnings(&bench);
        assert!(
            matches!(&warnings[..], [one] if one.contains("cannot delete")),
            "error {error}: {warnings:?}"
        );
        assert_eq!(bench.outcomes().dropped.total(), 0);
        bench.kill().await;

        // Nothing on the disk says that they were sent: they come once more, as the documents say, and never again.
        let next = on(&disk, Setup::default()).start(&receiver);
        tokio::time::sleep(HOUR).await;
        next.send([50]);
        next.until_done(HOUR).await;
        assert_eq!(next.shutdown(MOMENT).await.dropped.total(), 0, "error {error}: the next start works");
        disk.heal();
        let last = on(&disk, Setup::default()).start(&receiver);
        tokio::time::sleep(HOUR).await;
        assert_eq!(last.shutdown(MOMENT).await.adopted, 40, "error {error}");
        assert_eq!((receiver.taken(), receiver.duplicates()), ((0..51).collect(), 40));
        assert_eq!(disk.names(), [""; 0], "error {error}: nothing is left behind");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_can_be_renamed_at_least_is_not_sent_by_the_next_start_which_deletes_it() {
    let (disk, receiver) = (SimulatedDisk::default(), down_for_an_hour());
    let bench = spooled(&disk, &receiver).await;
    disk.set_fault(|step, _| (step == Step::Remove).then_some(EIO));
    bench.until_done(2 * HOUR).await;
    assert_eq!(named(&disk, ".sent"), 4, "{:?}", disk.names());
    assert_eq!(warnings(&bench).len(), 1);
    bench.kill().await;

    let next = on(&disk, Setup::default()).start(&receiver);
    tokio::time::sleep(HOUR).await;
    assert_eq!(warnings(&next).len(), 1, "it still cannot");
    assert_eq!(next.shutdown(MOMENT).await.adopted, 0);
    disk.heal();
    let next = on(&disk, Setup::default()).start(&receiver);
    next.send([40]);
    next.until_done(HOUR).await;
    assert_eq!((next.shutdown(MOMENT).await.adopted, receiver.duplicates()), (0, 0));
    assert_eq!((receiver.taken(), disk.names()), ((0..41).collect(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_deleted_is_deleted_when_the_disk_is_well_again_and_warned_of_again_when_it_is_not()
{
    let (disk, receiver) = (SimulatedDisk::default(), down_for_an_hour());
    let bench = spooled(&disk, &receiver).await;
    let broken = || disk.set_fault(|step, _| matches!(step, Step::Remove | Step::Rename).then_some(EIO));
    broken();
    bench.until_done(2 * HOUR).await;
    assert_eq!(named(&disk, ".batch"), 4);
    disk.heal();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(named(&disk, ".batch"), 0, "{:?}", disk.names());
    let again = outage(&bench, &receiver, 100).await;
    broken();
    bench.until(HOUR, |outcomes| outcomes.delivered == again).await;
    assert_eq!(warnings(&bench).len(), 2);
    disk.heal();
    bench.shutdown(MOMENT).await;
    assert_eq!(disk.names(), [""; 0], "at the latest at the end");
    let next = on(&disk, Setup::default()).start(&receiver);
    tokio::time::sleep(HOUR).await;
    assert_eq!((next.shutdown(MOMENT).await.adopted, receiver.duplicates()), (0, 0));
}

/// Lets the receiver of the test fail once more and spools ten items; returns how many will have been delivered.
async fn outage(bench: &Bench, receiver: &Arc<Receiver>, first: u64) -> u64 {
    receiver.fail_for(HOUR / 4);
    bench.send(first..first + 10);
    bench.until(HOUR, |outcomes| outcomes.spooled == 10).await;
    bench.outcomes().accepted
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_deleted_take_room_and_what_does_not_fit_stays_in_memory() {
    let disk = SimulatedDisk::default();
    // Down every other minute: batches come to the disk, and are done with soon.
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() % 120 < 60 { 503 } else { 200 })));
    let mut setup = on(&disk, Setup::default());
    setup.config.spool.max_bytes = 8000;
    let bench = setup.start(&receiver);
    disk.set_fault(|step, _| (step == Step::Remove).then_some(EIO));
    for start in (0..1000).step_by(10) {
        bench.send(start..start + 10);
        tokio::time::sleep(Duration::from_secs(40)).await;
    }
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!(lost(&outcomes, DropReason::SpoolFull) + outcomes.delivered, 1000, "{outcomes:?}");
    assert_eq!(outcomes.delivered, receiver.taken().len() as u64);
    assert!(disk.bytes() < 8000 + 3 * 2000, "the cap, and the batches in hand: {}", disk.bytes());
    disk.heal();
    bench.shutdown(MOMENT).await;
    assert_eq!((disk.names(), receiver.duplicates()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn any_step_with_deleting_may_fail_at_random_and_nothing_is_lost_nor_sent_twice_by_one_process() {
    for seed in 1..=3 {
        println!("seed {seed}");
        let (disk, receiver) = (SimulatedDisk::default(), down_for_an_hour());
        let mut random = Random::seeded(seed);
        disk.set_fault(move |step, _| {
            let fails = step != Step::Read && random.next().is_multiple_of(3);
            fails.then_some(if random.next().is_multiple_of(2) { EIO } else { ENOSPC })
        });
        let bench = Setup { seed, ..on(&disk, Setup::default()) }.start(&receiver);
        for start in (0..400).step_by(8) {
            bench.send(start..start + 8);
            tokio::time::sleep(Duration::from_secs(45)).await;
            bench.outcomes();
        }
        bench.until_done(4 * HOUR).await;
        assert_eq!((bench.outcomes().delivered, bench.outcomes().dropped.total()), (400, 0));
        assert_eq!((receiver.taken(), receiver.duplicates()), ((0..400).collect(), 0));
        bench.send([400]);
        bench.until_done(HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_kept_when_its_new_file_has_the_name_of_the_old_one() {
    let disk = SimulatedDisk::default();
    let bench = on(&disk, Setup::default()).start(&Receiver::always(503));
    bench.send(0..10);
    bench.until(HOUR, |outcomes| outcomes.spooled == 10).await;
    bench.kill().await;
    // Two are left when a probe of eight has been taken: the new file has the name that somebody gave to the old one.
    disk.rename_end("-10.batch", "-2.batch");
    let probes_only = |items: &[u64], at: Duration| items.len() == 8 && at.as_secs() > 60;
    let receiver = Receiver::new(move |items, at| {
        Ok(Response::new(if probes_only(items, at) || at > HOUR { 200 } else { 503 }))
    });
    let bench = on(&disk, Setup::default()).start(&receiver);
    bench.until(HOUR, |outcomes| outcomes.delivered == 8).await;
    bench.until_done(2 * HOUR).await;
    assert_eq!((bench.outcomes().dropped.total(), receiver.order()), (0, (0..10).collect()));
}

#[tokio::test(start_paused = true)]
async fn on_a_real_disk_a_directory_that_nobody_may_change_makes_nothing_come_twice() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), down_for_an_hour());
    let bench = Setup::spooling(dir.path()).start(&receiver);
    bench.send(0..40);
    bench.until(HOUR, |outcomes| outcomes.spooled == 40).await;
    let own = own_dir(dir.path());
    let frozen = Frozen::new(own.clone());
    bench.until_done(2 * HOUR).await;
    bench.send(40..50);
    bench.until_done(HOUR).await;
    assert_eq!((receiver.order(), receiver.duplicates()), ((0..50).collect(), 0));
    let left = std::fs::read_dir(&own).unwrap().count();
    assert!(!frozen.is_frozen || left == 5, "the lock and four batches: {left}");
    assert_eq!(warnings(&bench).len(), usize::from(frozen.is_frozen));
    drop(frozen);
    bench.shutdown(MOMENT).await;
    assert!(!own.exists(), "what could not be deleted is, when it can be");
    let next = Setup::spooling(dir.path()).start(&receiver);
    tokio::time::sleep(MOMENT).await;
    assert_eq!((next.shutdown(MOMENT).await.adopted, receiver.duplicates()), (0, 0));
}

/// The only directory of the destination.
pub(super) fn own_dir(state: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(state.join("spool/double")).unwrap();
    entries.next().unwrap().unwrap().path()
}

/// A directory in which no name may be changed: for `root` by a flag of the file system, for others by its mode.
struct Frozen {
    path: PathBuf,
    is_frozen: bool,
}

impl Frozen {
    fn new(path: PathBuf) -> Self {
        set_immutable(&path, true);
        std::fs::set_permissions(&path, Permissions::from_mode(0o500)).ok();
        let probe = path.join("probe");
        let is_frozen = std::fs::write(&probe, "").is_err();
        if !is_frozen {
            println!("this file system lets root write wherever it likes");
            std::fs::remove_file(probe).unwrap();
        }
        Self { path, is_frozen }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        set_immutable(&self.path, false);
        std::fs::set_permissions(&self.path, Permissions::from_mode(0o700)).unwrap();
    }
}

fn set_immutable(path: &Path, on: bool) {
    let dir = std::fs::File::open(path).unwrap();
    if let Ok(flags) = ioctl_getflags(&dir) {
        // Only root may; others have the mode.
        let _ = ioctl_setflags(&dir, if on { flags | IFlags::IMMUTABLE } else { flags - IFlags::IMMUTABLE });
    }
}
