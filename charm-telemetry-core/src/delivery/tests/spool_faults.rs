//! What lies in the spool, and what can have happened to it.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, HOUR, Receiver, Setup, lost};
use super::simulated_disk::{SimulatedDisk, Step};
use crate::delivery::SpoolConfig;
use crate::outcome::DropReason;

const MOMENT: Duration = Duration::from_secs(2);

/// A process that spools these items, in batches of ten, and dies.
pub(super) async fn leave(disk: &SimulatedDisk, setup: Setup, numbers: std::ops::Range<u64>) {
    let bench = on(disk, setup).start(&Receiver::always(503));
    let count = numbers.end - numbers.start;
    bench.send(numbers);
    bench.until(HOUR, |outcomes| outcomes.accepted == count && outcomes.pending == 0).await;
    bench.kill().await;
}

/// With its spool on this disk.
pub(super) fn on(disk: &SimulatedDisk, mut setup: Setup) -> Setup {
    setup.config.spool = SpoolConfig { state_dir: Some("/state".into()), ..setup.config.spool };
    setup.file_system = Arc::new(disk.clone());
    setup
}

pub(super) async fn start_healthy(disk: &SimulatedDisk, setup: Setup) -> (Bench, Arc<Receiver>) {
    let receiver = Receiver::always(200);
    let bench = on(disk, setup).start(&receiver);
    tokio::time::sleep(MOMENT).await;
    (bench, receiver)
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_spooled_is_sent_once_by_the_next_start() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..35).await;
    let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
    bench.send(35..40);
    bench.until_done(HOUR).await;
    let outcomes = bench.shutdown(MOMENT).await;
    assert_eq!((outcomes.adopted, outcomes.accepted, outcomes.delivered), (35, 5, 40));
    assert_eq!(receiver.order(), (0..40).collect::<Vec<_>>());
    assert_eq!(disk.names(), [""; 0], "nothing is left behind");
    let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
    assert_eq!(bench.shutdown(MOMENT).await.adopted, 0);
    assert!(receiver.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_one_id_from_memory_from_the_spool_and_from_the_next_start() {
    let disk = SimulatedDisk::default();
    let down = Receiver::always(503);
    let bench = on(&disk, Setup::default()).start(&down);
    // Not more than a probe has: a part of a batch is another batch.
    bench.send(0..5);
    tokio::time::sleep(HOUR).await;
    bench.kill().await;
    let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
    bench.until_done(HOUR).await;
    let (before, after) = (down.batch_ids(), receiver.batch_ids());
    assert!(before.len() > 3 && after.len() == 1, "{before:?} {after:?}");
    assert!(!after[0].is_empty() && before.iter().all(|id| *id == after[0]), "{before:?} {after:?}");
    bench.send(5..10);
    bench.until_done(HOUR).await;
    assert_ne!(receiver.batch_ids()[1], after[0], "another batch has another");
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_a_spool_and_an_orphan_is_adopted_by_one_of_them() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..50).await;
    let receiver = Receiver::always(200);
    let benches: Vec<_> = (0..5).map(|_| on(&disk, Setup::default()).start(&receiver)).collect();
    tokio::time::sleep(MOMENT).await;
    let mut adopted = Vec::new();
    for bench in benches {
        adopted.push(bench.shutdown(MOMENT).await.adopted);
    }
    adopted.sort_unstable();
    assert_eq!(adopted, [0, 0, 0, 0, 50]);
    assert_eq!(receiver.duplicates(), 0);
    assert_eq!(receiver.taken().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_living_process_keeps_its_own() {
    let disk = SimulatedDisk::default();
    let down = on(&disk, Setup::default()).start(&Receiver::always(503));
    down.send(0..20);
    down.until(HOUR, |outcomes| outcomes.pending == 0).await;
    let (other, receiver) = start_healthy(&disk, Setup::default()).await;
    assert_eq!(other.shutdown(MOMENT).await.adopted, 0);
    assert!(receiver.taken().is_empty());
    assert_eq!(down.outcomes().spooled, 20);
}

#[tokio::test(start_paused = true)]
async fn what_was_meant_for_another_receiver_is_not_sent_to_this_one() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..20).await;
    let setup = Setup { identity: "http://double/two".to_owned(), ..Setup::default() };
    let (other, receiver) = start_healthy(&disk, setup).await;
    assert_eq!(other.shutdown(MOMENT).await.adopted, 0);
    assert!(receiver.taken().is_empty());
    let (same, receiver) = start_healthy(&disk, Setup::default()).await;
    assert_eq!(same.shutdown(MOMENT).await.adopted, 20);
    assert_eq!(receiver.taken().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn any_byte_of_a_batch_may_be_flipped_and_only_damaged_items_are_lost_and_counted() {
    let original = SimulatedDisk::default();
    leave(&original, Setup::default(), 0..5).await;
    let mut size = 0;
    original.damage(".batch", |bytes| size = bytes.len());
    for at in 0..size {
        let disk = SimulatedDisk::default();
        leave(&disk, Setup::default(), 0..5).await;
        leave_more(&disk).await;
        disk.damage("-5.batch", |bytes| bytes[at] ^= 0x41);
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        bench.send([200]);
        bench.until_done(HOUR).await;
        let outcomes = bench.shutdown(MOMENT).await;
        assert!(receiver.taken().contains(&200), "byte {at}: a fresh one passes");
        let missing: Vec<_> = (0..5).filter(|number| !receiver.taken().contains(number)).collect();
        let in_header = at < 54;
        assert!(missing.len() == if in_header { 5 } else { 1 }, "byte {at}: {missing:?} are lost");
        assert_eq!(lost(&outcomes, DropReason::Corrupt), missing.len() as u64, "byte {at}");
        assert_eq!(outcomes.quarantined, 1, "byte {at}");
        assert!(receiver.taken().contains(&100), "byte {at}: the next batch is not hidden");
        assert!(
            disk.names().iter().any(|name| name == "00000000000000000001-5.bad"),
            "byte {at}: it is kept"
        );
    }
}

async fn leave_more(disk: &SimulatedDisk) {
    leave(disk, Setup::default(), 100..101).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_be_cut_at_any_length_and_whole_items_before_the_cut_arrive() {
    let mut length = 0;
    loop {
        let disk = SimulatedDisk::default();
        leave(&disk, Setup::default(), 0..5).await;
        let mut whole = false;
        disk.damage(".batch", |bytes| {
            whole = bytes.len() <= length;
            bytes.truncate(length);
        });
        if whole {
            break;
        }
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        bench.send([200]);
        bench.until_done(HOUR).await;
        let outcomes = bench.shutdown(MOMENT).await;
        let taken = receiver.taken().len() as u64 - 1;
        let expected = (0..taken).chain([200]);
        assert!(taken < 5 && receiver.taken().into_iter().eq(expected), "cut at {length}");
        assert_eq!(lost(&outcomes, DropReason::Corrupt), 5 - taken, "cut at {length}");
        length += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_batch_with_something_behind_it_is_set_aside_when_sent_and_nobody_is_told_of_a_loss() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..5).await;
    disk.damage(".batch", |bytes| bytes.extend(b"and more"));
    let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
    bench.until_done(HOUR).await;
    let notices = bench.notices.clone();
    let outcomes = bench.shutdown(MOMENT).await;
    assert_eq!((receiver.taken().len(), outcomes.dropped.total(), outcomes.quarantined), (5, 0, 1));
    let told: Vec<String> = notices.lock().unwrap().iter().map(|notice| notice.message.clone()).collect();
    let damaged = "a file of the spool is damaged and set aside; no item that was counted is lost by it";
    assert_eq!(told, [damaged]);
    assert!(disk.names().iter().any(|name| name.ends_with("-5.bad")), "{:?}", disk.names());
}

#[tokio::test(start_paused = true)]
async fn foreign_files_and_old_versions_are_set_aside_once_and_stop_nothing() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..5).await;
    disk.put("notes.txt", b"mine");
    disk.put("holiday.batch", b"not a batch");
    disk.put("00000000000000000009-3.batch", b"not a batch either");
    disk.put("00000000000000000008-2.batch", b"");
    disk.put("00000000000000000007-1.batch.tmp", b"CHARM");
    disk.put("00000000000000000006-99999999999999999999.batch", b"CHARMSPL");
    let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
    bench.until_done(HOUR).await;
    let outcomes = bench.shutdown(MOMENT).await;
    assert_eq!(receiver.taken().len(), 5);
    assert_eq!(lost(&outcomes, DropReason::Corrupt), 5, "3 and 2, by the names of the files");
    assert_eq!(outcomes.quarantined, 4);
    assert!(disk.names().contains(&"notes.txt".to_owned()));
    let (bench, _) = start_healthy(&disk, Setup::default()).await;
    let outcomes = bench.shutdown(MOMENT).await;
    assert_eq!((outcomes.quarantined, outcomes.dropped.total()), (0, 0), "only once");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_tells_another_number_of_items_upsets_no_books() {
    for end in ["-3.batch", "-0.batch", "-9.batch"] {
        let disk = SimulatedDisk::default();
        leave(&disk, Setup::default(), 0..5).await;
        leave_more(&disk).await;
        disk.rename_end("-5.batch", end);
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        bench.until_done(HOUR).await;
        let outcomes = bench.shutdown(MOMENT).await;
        assert_eq!((outcomes.adopted, outcomes.delivered, outcomes.dropped.total()), (6, 6, 0), "{end}");
        assert_eq!(receiver.taken().len(), 6, "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_tells_another_number_of_items_upsets_no_books() {
    for (count, corrupt) in [(0_u32, 0), (3, 0), (9, 4), (u32::MAX, 0)] {
        let disk = SimulatedDisk::default();
        leave(&disk, Setup::default(), 0..5).await;
        leave_more(&disk).await;
        disk.damage("-5.batch", |bytes| {
            bytes[42..46].copy_from_slice(&count.to_le_bytes());
            let crc = crc32fast::hash(&bytes[..50]).to_le_bytes();
            bytes[50..54].copy_from_slice(&crc);
        });
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        bench.until_done(HOUR).await;
        let outcomes = bench.shutdown(MOMENT).await;
        assert_eq!((outcomes.delivered, outcomes.adopted), (6, 6 + corrupt), "{count}");
        assert_eq!(lost(&outcomes, DropReason::Corrupt), corrupt, "{count}");
        assert_eq!((receiver.taken().len(), outcomes.quarantined), (6, 1), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_or_older_format_is_set_aside_and_not_guessed_at() {
    for version in [0, 2] {
        let disk = SimulatedDisk::default();
        leave(&disk, Setup::default(), 0..5).await;
        disk.damage(".batch", |bytes| {
            bytes[8] = version;
            let crc = crc32fast::hash(&bytes[..50]).to_le_bytes();
            bytes[50..54].copy_from_slice(&crc);
        });
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        let outcomes = bench.shutdown(MOMENT).await;
        assert_eq!((lost(&outcomes, DropReason::Corrupt), outcomes.quarantined), (5, 1));
        assert!(receiver.taken().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_batches_go_when_the_cap_is_reached() {
    let disk = SimulatedDisk::default();
    let mut setup = Setup::default();
    setup.config.spool.max_bytes = 6000;
    let bench = on(&disk, setup).start(&Receiver::always(503));
    bench.send(0..200);
    bench.until(HOUR, |outcomes| outcomes.pending == 0).await;
    let outcomes = bench.outcomes();
    assert!(bench.handle.report().spool_bytes <= 6000 + 2000, "the cap, and the batch in hand");
    assert_eq!(lost(&outcomes, DropReason::SpoolFull) + outcomes.spooled, 200);
    bench.kill().await;
    let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
    bench.until_done(HOUR).await;
    assert!(receiver.taken().contains(&199), "the newest are kept");
}

#[tokio::test(start_paused = true)]
async fn a_smaller_cap_than_what_lies_there_trims_and_reports() {
    let disk = SimulatedDisk::default();
    leave(&disk, Setup::default(), 0..200).await;
    let mut setup = Setup::default();
    setup.config.spool.max_bytes = 6000;
    let (bench, receiver) = start_healthy(&disk, setup).await;
    bench.until_done(HOUR).await;
    let outcomes = bench.shutdown(MOMENT).await;
    assert_eq!(outcomes.adopted, 200);
    assert!(lost(&outcomes, DropReason::SpoolFull) > 100);
    assert_eq!(outcomes.delivered + lost(&outcomes, DropReason::SpoolFull), 200);
    assert!(receiver.taken().contains(&199));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_week_expires_and_is_counted() {
    let disk = SimulatedDisk::default();
    let bench = on(&disk, Setup::default()).start(&Receiver::always(503));
    bench.send(0..20);
    tokio::time::sleep(24 * 8 * HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!(lost(&outcomes, DropReason::Expired), 20);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_has_to_end_while_it_takes_over_leaves_the_rest_and_spools_its_own() {
    // Of five processes with a file each, and of one with five.
    for of_each in [10, 50] {
        let disk = SimulatedDisk::default();
        for process in 0..50 / of_each {
            leave(&disk, Setup::default(), process * of_each..(process + 1) * of_each).await;
        }
        let bench = on(&disk, Setup::default()).start(&Receiver::always(200));
        bench.send(50..55);
        let handle = bench.handle.clone();
        // So slow a disk that the time is over with the first file.
        disk.set_fault(move |step, path| {
            if step == Step::Read && path.extension().is_some_and(|extension| extension == "batch") {
                handle.begin_shutdown(Duration::ZERO);
            }
            None
        });
        tokio::time::sleep(MOMENT).await;
        let outcomes = bench.shutdown(MOMENT).await;
        assert_eq!((outcomes.adopted, outcomes.spooled, outcomes.dropped.total()), (10, 15, 0), "{of_each}");
        disk.heal();
        let (bench, receiver) = start_healthy(&disk, Setup::default()).await;
        bench.until_done(HOUR).await;
        assert_eq!(receiver.order(), (0..55).collect::<Vec<_>>(), "{of_each}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_too_large_is_dropped_alone() {
    let receiver = Receiver::always(200);
    let bench = Setup::default().start(&receiver);
    bench.send(0..3);
    assert!(!bench.handle.send(crate::delivery::Item::new(vec![b'x'; 10_001])));
    bench.send(3..6);
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::TooLarge)), (6, 1));
}
