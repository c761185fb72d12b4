//! Items that became too old for their receiver while they waited on disk.
//!
//! Rule: they are lost by name, the others of their file are sent, and a kill in between upsets no books.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::bench::{Bench, HOUR, Receiver, Setup, TestDestination, else_as_the_double, lost, payload};
use super::simulated_disk::SimulatedDisk;
use super::spool_faults::on;
use crate::delivery::{Body, DeliveryState, Destination, EncodeError, Item, NoticeKind, Response};
use crate::outcome::DropReason;

const DAY: i64 = 24 * 3600;

/// Takes nothing but the fresh item for longer than a day.
#[derive(Clone)]
struct Dated {
    fresh: u64,
    /// When it was made.
    began: SystemTime,
    asked: Arc<AtomicU64>,
    told: Arc<Mutex<Vec<(Item, DropReason)>>>,
}

impl Dated {
    fn but_for(fresh: u64, setup: &Setup) -> Self {
        Self { fresh, began: setup.clock.now(), asked: Arc::default(), told: Arc::default() }
    }

    fn start(&self, setup: Setup, receiver: &Arc<Receiver>) -> Bench {
        let double = TestDestination { limits: setup.limits, identity: setup.identity.clone() };
        setup.start_with(receiver, Day(double, self.clone()))
    }

    fn told(&self) -> Vec<(Item, DropReason)> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

struct Day(TestDestination, Dated);

impl Destination for Day {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        assert!(!items.is_empty(), "at least one item is promised");
        self.0.assemble(items)
    }

    fn is_outdated(&self, item: &Item, now: SystemTime) -> bool {
        self.1.asked.fetch_add(1, Ordering::Relaxed);
        let is_fresh = item.bytes() == payload(self.1.fresh).as_bytes();
        !is_fresh && now.duration_since(self.1.began).unwrap_or_default() > Duration::from_hours(24)
    }

    fn wants_dropped(&self) -> bool {
        true
    }

    fn dropped(&self, items: &[Item], reason: DropReason) {
        self.1.told.lock().unwrap().extend(items.iter().map(|item| (item.clone(), reason)));
    }
}

/// Answers 503 until it is asked for fewer than three items.
fn down_for_three(then: u16) -> Arc<Receiver> {
    Receiver::new(move |items, _| Ok(Response::new(if items.len() == 3 { 503 } else { then })))
}

/// Waits until so many items wait in the spool and were refused from there once: the next try is a back-off away.
async fn in_the_spool(bench: &Bench, receiver: &Receiver, items: u64) {
    bench.until(HOUR, |outcomes| outcomes.spooled == items && receiver.requests().len() == 2).await;
}

/// The numbers of the items in the requests that came since there were so many.
fn since(receiver: &Receiver, requests: usize) -> Vec<Vec<u64>> {
    receiver.requests().split_off(requests).into_iter().map(|(_, items)| items).collect()
}

/// The files that wait to be sent.
fn batches(disk: &SimulatedDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.contains(".batch")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_lost_by_name_and_one_request_brings_the_rest() {
    let (disk, receiver, setup) = (SimulatedDisk::default(), down_for_three(200), Setup::default());
    let (dated, clock) = (Dated::but_for(1, &setup), setup.clock.clone());
    let bench = dated.start(on(&disk, setup), &receiver);
    bench.send(0..3);
    in_the_spool(&bench, &receiver, 3).await;
    assert_eq!(lost(&bench.outcomes(), DropReason::Expired), 0, "nothing is old yet");
    clock.step(DAY + 3600);
    let before = receiver.requests().len();
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!(since(&receiver, before), [vec![1]]);
    assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::Expired)), (1, 2), "{outcomes:?}");
    assert_eq!(outcomes.dropped.total(), 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let old = [0, 2].map(|number| (Item::new(payload(number).into_bytes()), DropReason::Expired));
    assert_eq!(dated.told(), old);
    let notices = bench.notices.lock().unwrap().clone();
    let dropped: Vec<_> = notices.iter().filter(|notice| notice.kind == NoticeKind::Dropped).collect();
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(dropped[0].message, "2 items of the spool are lost: expired");
    bench.shutdown(Duration::from_secs(2)).await;
    assert_eq!(disk.names(), [""; 0], "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_kill_before_the_answer_leaves_the_file_as_it_was_and_balanced_books_in_both_processes() {
    let (disk, receiver, setup) = (SimulatedDisk::default(), down_for_three(200), Setup::default());
    let (dated, clock) = (Dated::but_for(1, &setup), setup.clock.clone());
    let bench = dated.start(on(&disk, setup), &receiver);
    bench.send(0..3);
    in_the_spool(&bench, &receiver, 3).await;
    clock.step(2 * DAY);
    let before = receiver.requests().len();
    // The answer takes 20 ms.
    while lost(&bench.outcomes(), DropReason::Expired) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.kill().await;
    assert_eq!(since(&receiver, before), Vec::<Vec<u64>>::new(), "it was killed before the answer");
    assert_eq!(batches(&disk), ["00000000000000000001-3.batch"]);

    let setup = Setup::default();
    setup.clock.step(3 * DAY);
    let bench = dated.start(on(&disk, setup), &receiver);
    bench.until(HOUR, |outcomes| outcomes.delivered == 1).await;
    let outcomes = bench.shutdown(Duration::from_secs(2)).await;
    assert_eq!((outcomes.adopted, lost(&outcomes, DropReason::Expired)), (3, 2), "{outcomes:?}");
    assert_eq!(outcomes.dropped.total(), 2);
    assert_eq!(disk.names(), [""; 0], "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_and_refused_for_now_is_all_that_the_file_holds_from_then_on() {
    let (disk, receiver, setup) = (SimulatedDisk::default(), down_for_three(503), Setup::default());
    let (dated, clock) = (Dated::but_for(1, &setup), setup.clock.clone());
    let bench = dated.start(on(&disk, setup), &receiver);
    bench.send(0..3);
    in_the_spool(&bench, &receiver, 3).await;
    clock.step(2 * DAY);
    bench.until(HOUR, |outcomes| outcomes.spooled == 1).await;
    bench.until(HOUR, |_| receiver.requests().last().is_some_and(|(_, items)| *items == [1])).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.kill().await;
    assert_eq!(batches(&disk), ["00000000000000000001-1.batch"]);

    let receiver = Receiver::always(200);
    let bench = on(&disk, Setup::default()).start(&receiver);
    bench.until(HOUR, |outcomes| outcomes.delivered == 1).await;
    assert_eq!((bench.outcomes().adopted, receiver.order()), (1, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_is_left_is_deleted_without_a_request_and_changes_no_back_off() {
    let (disk, receiver, setup) = (SimulatedDisk::default(), Receiver::always(503), Setup::default());
    let (dated, clock) = (Dated::but_for(99, &setup), setup.clock.clone());
    let bench = dated.start(on(&disk, setup), &receiver);
    bench.send(0..10);
    in_the_spool(&bench, &receiver, 10).await;
    clock.step(2 * DAY);
    let before = receiver.requests().len();
    bench.until_done(HOUR).await;
    assert_eq!(lost(&bench.outcomes(), DropReason::Expired), 10);
    assert_eq!(since(&receiver, before), Vec::<Vec<u64>>::new());
    assert_eq!(bench.handle.report().state, DeliveryState::Retrying, "nobody has answered");
    assert_eq!(batches(&disk), [""; 0]);
    bench.send([99]);
    bench.until(HOUR, |_| receiver.requests().len() > before).await;
    assert_eq!(since(&receiver, before), [vec![99]], "the next one is sent");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_memory_is_judged_by_the_answer_alone() {
    let (receiver, setup) = (Receiver::always(200), Setup::default());
    let (dated, clock) = (Dated::but_for(1, &setup), setup.clock.clone());
    let bench = dated.start(on(&SimulatedDisk::default(), setup), &receiver);
    clock.step(2 * DAY);
    bench.send(0..3);
    bench.until_done(HOUR).await;
    assert_eq!((bench.outcomes().delivered, dated.asked.load(Ordering::Relaxed)), (3, 0));
}
