//! Disks that are full, broken, read-only or gone.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, HOUR, Receiver, Setup, lost};
use super::simulated_disk::{EIO, ENOSPC, EROFS, SimulatedDisk, Step};
use crate::delivery::{NoticeKind, Response};
use crate::outcome::DropReason;

fn on(disk: &SimulatedDisk) -> Setup {
    let mut setup = Setup::default();
    setup.config.spool.state_dir = Some("/state".into());
    setup.file_system = Arc::new(disk.clone());
    setup
}

/// Down for the first hour.
fn down_for_an_hour() -> Arc<Receiver> {
    Receiver::new(|_, at| Ok(Response::new(if at < HOUR { 503 } else { 200 })))
}

fn degraded_notices(bench: &Bench) -> usize {
    bench.notices.lock().unwrap().iter().filter(|notice| notice.kind == NoticeKind::SpoolDegraded).count()
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_nothing_while_memory_has_room_and_space_is_freed_without_writing() {
    let disk = SimulatedDisk::default();
    disk.set_capacity(Some(3000));
    let receiver = down_for_an_hour();
    let bench = on(&disk).start(&receiver);
    bench.send(0..100);
    tokio::time::sleep(HOUR / 2).await;
    let outcomes = bench.outcomes();
    assert!(outcomes.spooled > 0 && outcomes.pending > 0, "{outcomes:?}");
    assert_eq!(
        degraded_notices(&bench),
        bench
            .notices
            .lock()
            .unwrap()
            .iter()
            .filter(|n| n.kind == NoticeKind::SpoolDegraded && n.count.is_power_of_two())
            .count()
    );
    let writes = disk.writes();
    disk.set_fault(|step, _| (step == Step::Write).then_some(ENOSPC));
    bench.until_done(2 * HOUR).await;
    assert_eq!(disk.writes(), writes, "space was freed without a write");
    assert_eq!(receiver.taken().len(), 100);
    assert!(!disk.names().iter().any(|name| name.contains(".batch")), "{:?}", disk.names());
    disk.heal();
    bench.send([100]);
    bench.until_done(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_and_full_memory_drop_the_newest_by_name() {
    let disk = SimulatedDisk::default();
    disk.set_fault(|step, _| (step == Step::Write).then_some(ENOSPC));
    let mut setup = on(&disk);
    setup.config.memory_items = 50;
    let receiver = down_for_an_hour();
    let bench = setup.start(&receiver);
    bench.send(0..80);
    bench.until_done(2 * HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::QueueFull)), (50, 30));
    assert_eq!(receiver.order(), (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_failing_sync_is_never_repeated_on_the_same_file_and_the_disk_is_used_again_when_it_is_well() {
    for error in [EIO, ENOSPC] {
        let disk = SimulatedDisk::default();
        let synced = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = synced.clone();
        disk.set_fault(move |step, path| {
            if step == Step::Sync {
                log.lock().unwrap().push(path.to_owned());
            }
            (step == Step::Sync).then_some(error)
        });
        let receiver = down_for_an_hour();
        let bench = on(&disk).start(&receiver);
        bench.send(0..30);
        tokio::time::sleep(HOUR / 4).await;
        assert_eq!(bench.outcomes().pending, 30, "kept in memory");
        let tried = synced.lock().unwrap().clone();
        let files: std::collections::BTreeSet<_> = tried.iter().collect();
        assert!(files.len() > 2 && files.len() == tried.len(), "each try has a file of its own: {tried:?}");
        assert_eq!(degraded_notices(&bench), 1);
        let names = disk.names();
        assert!(!names.iter().any(|name| name.contains("batch")), "no suspect file stays: {names:?}");
        disk.heal();
        bench.send(30..40);
        tokio::time::sleep(HOUR / 4).await;
        assert_eq!(bench.outcomes().spooled, 40);
        bench.until_done(2 * HOUR).await;
        assert_eq!(receiver.taken().len(), 40);
    }
}

#[tokio::test(start_paused = true)]
async fn any_step_may_fail_at_random_and_the_books_stay_right() {
    for seed in 1..=3 {
        println!("seed {seed}");
        let disk = SimulatedDisk::default();
        let mut random = crate::delivery::backoff::Random::seeded(seed);
        let faulty = disk.clone();
        faulty.set_fault(move |step, _| {
            (step != Step::Remove && random.next().is_multiple_of(5))
                .then_some(if random.next().is_multiple_of(2) { EIO } else { ENOSPC })
        });
        let receiver = down_for_an_hour();
        let bench = Setup { seed, ..on(&disk) }.start(&receiver);
        for start in (0..400).step_by(8) {
            bench.send(start..start + 8);
            tokio::time::sleep(Duration::from_secs(45)).await;
            bench.outcomes();
        }
        bench.until_done(4 * HOUR).await;
        let outcomes = bench.outcomes();
        let corrupt = lost(&outcomes, DropReason::Corrupt);
        assert!(corrupt <= 40, "a file is given up after three failures in a row only: {corrupt}");
        assert_eq!(receiver.taken().len() as u64 + corrupt, 400, "a file that cannot be read is counted");
        assert_eq!(outcomes.dropped.total(), corrupt);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_only_or_forbidden_directory_means_memory_and_one_warning() {
    for error in [EROFS, 13] {
        let disk = SimulatedDisk::default();
        disk.set_fault(move |step, _| (step != Step::List).then_some(error));
        let receiver = down_for_an_hour();
        let bench = on(&disk).start(&receiver);
        bench.send(0..30);
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(degraded_notices(&bench), 1);
        bench.until_done(2 * HOUR).await;
        assert_eq!(receiver.taken().len(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_has_worked_again_is_warned_of_again() {
    let disk = SimulatedDisk::default();
    let broken = || disk.set_fault(|step, _| (step == Step::Write).then_some(EIO));
    broken();
    let receiver = down_for_an_hour();
    let bench = on(&disk).start(&receiver);
    bench.send(0..30);
    tokio::time::sleep(Duration::from_mins(10)).await;
    disk.heal();
    bench.until(HOUR, |outcomes| outcomes.spooled == 30).await;
    broken();
    bench.send(30..60);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(degraded_notices(&bench), 2);
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_made_durable_are_told_once_and_the_batches_count_as_spooled() {
    let disk = SimulatedDisk::default();
    disk.set_fault(|step, path| {
        let is_own = path.file_name().is_some_and(|name| name.to_string_lossy().contains('.'));
        (step == Step::SyncDir && is_own).then_some(EIO)
    });
    let receiver = down_for_an_hour();
    let bench = on(&disk).start(&receiver);
    bench.send(0..40);
    bench.until(HOUR, |outcomes| outcomes.spooled == 40).await;
    assert_eq!(degraded_notices(&bench), 1);
    let notices = bench.notices.lock().unwrap().clone();
    assert!(notices.iter().any(|notice| notice.message.contains("power cut")), "{notices:?}");
    bench.until_done(2 * HOUR).await;
    assert_eq!(receiver.taken().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_removed_while_running_is_made_anew_and_what_was_in_it_is_counted() {
    let disk = SimulatedDisk::default();
    let receiver = down_for_an_hour();
    let bench = on(&disk).start(&receiver);
    bench.send(0..30);
    bench.until(HOUR, |outcomes| outcomes.pending == 0).await;
    disk.wipe();
    bench.send(30..60);
    bench.until_done(3 * HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!(lost(&outcomes, DropReason::Corrupt), 30);
    assert_eq!(receiver.taken(), (30..60).collect());
    bench.send([60]);
    bench.until_done(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_batch_is_not_sent_twice_when_its_file_cannot_be_written_anew() {
    let disk = SimulatedDisk::default();
    let receiver = Receiver::new(|items, at| {
        let probe_only = at < HOUR && items.len() == 8;
        Ok(Response::new(if (probe_only && at.as_secs() > 60) || at > HOUR { 200 } else { 503 }))
    });
    let bench = on(&disk).start(&receiver);
    bench.send(0..10);
    bench.until(HOUR, |outcomes| outcomes.spooled == 10).await;
    disk.set_fault(|step, _| (step == Step::Write).then_some(ENOSPC));
    bench.until(HOUR, |outcomes| outcomes.delivered == 8).await;
    bench.until_done(2 * HOUR).await;
    assert_eq!((receiver.taken().len(), receiver.duplicates()), (10, 0));
}
