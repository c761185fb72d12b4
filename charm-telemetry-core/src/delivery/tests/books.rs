//! The books, against a model, over random lives of a delivery.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::bench::{Bench, HOUR, Receiver, Setup, lost};
use super::simulated_disk::{EIO, ENOSPC, SimulatedDisk, Step};
use crate::delivery::transport::TransportError;
use crate::delivery::{DeliveryOutcomes, Response};
use crate::outcome::DropReason;

/// Of one request.
const MOST_ITEMS: usize = 10;

/// What happens to a delivery.
#[derive(Clone, Debug)]
enum Action {
    Send(u8),
    Wait(u16),
    /// The receiver's way from now on.
    Receiver(u8),
    /// The disk's way from now on.
    Disk(u8),
    Flush,
    /// An orderly end with this deadline in tenths of a second, and a new start.
    Restart(u8),
    /// A sudden end, and a new start.
    Kill,
}

/// Whatever a receiver does, on a disk that is well, in processes that end in an orderly way.
fn orderly_actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => (1..40_u8).prop_map(Action::Send),
        4 => (1..2000_u16).prop_map(Action::Wait),
        3 => (0..7_u8).prop_map(Action::Receiver),
        1 => Just(Action::Flush),
        1 => (0..40_u8).prop_map(Action::Restart),
    ];
    prop::collection::vec(action, 1..30)
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => (1..40_u8).prop_map(Action::Send),
        4 => (1..2000_u16).prop_map(Action::Wait),
        3 => (0..7_u8).prop_map(Action::Receiver),
        2 => (0..4_u8).prop_map(Action::Disk),
        1 => Just(Action::Flush),
        1 => (0..40_u8).prop_map(Action::Restart),
        1 => Just(Action::Kill),
    ];
    prop::collection::vec(action, 1..30)
}

/// What is known from outside.
#[derive(Default)]
struct Model {
    next: u64,
    issued: BTreeSet<u64>,
    /// Items that died with a killed process before they were on disk.
    killed_in_memory: u64,
    dropped: u64,
    /// Ends that left something in the spool. Of a request that was on its way then nobody saw the answer.
    cut_short: usize,
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_item_is_delivered_or_dropped_by_name_or_spooled(actions in actions(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(live(actions, seed));
    }

    #[test]
    fn without_deaths_and_bad_disks_what_is_not_dropped_arrives_in_order_and_once_where_there_is_time_for_the_answer(actions in orderly_actions(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (receiver, model) = runtime.block_on(live(actions, seed));
        let order = receiver.order();
        prop_assert!(order.is_sorted(), "{:?}", order);
        prop_assert!(receiver.duplicates() <= MOST_ITEMS * model.cut_short, "{} twice", receiver.duplicates());
        prop_assert_eq!((model.issued.len() - order.len()) as u64, model.dropped);
    }
}

/// Lives so, and returns what is known in the end.
async fn live(actions: Vec<Action>, seed: u64) -> (Arc<Receiver>, Model) {
    let manner = Arc::new(std::sync::atomic::AtomicU8::new(0));
    let receiver = receiver(manner.clone());
    let disk = SimulatedDisk::default();
    let mut model = Model::default();
    let mut bench = start(&disk, seed, &receiver);
    for action in actions {
        match action {
            Action::Send(count) => {
                let numbers = model.next..model.next + u64::from(count);
                model.next = numbers.end;
                model.issued.extend(numbers.clone());
                bench.send(numbers);
            }
            Action::Wait(tenths) => tokio::time::sleep(Duration::from_millis(u64::from(tenths) * 100)).await,
            Action::Receiver(way) => manner.store(way, std::sync::atomic::Ordering::Relaxed),
            Action::Disk(way) => set_disk(&disk, way),
            Action::Flush => drop(bench.handle.flush(Duration::ZERO)),
            Action::Restart(tenths) => {
                let outcomes = bench.shutdown(Duration::from_millis(u64::from(tenths) * 100)).await;
                model.dropped += outcomes.dropped.total();
                model.cut_short += usize::from(outcomes.spooled > 0);
                bench = start(&disk, seed, &receiver);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Action::Kill => {
                let handle = bench.handle.clone();
                bench.kill().await;
                let outcomes = handle.report().outcomes;
                let unsaved = lost(&outcomes, DropReason::ShutdownDeadline);
                model.killed_in_memory += unsaved;
                model.dropped += outcomes.dropped.total() - unsaved;
                bench = start(&disk, seed, &receiver);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let outcomes = bench.handle.report().outcomes;
        assert!(outcomes.is_balanced(), "{outcomes:?}");
    }
    // Everything heals, twice: once for what the last start could not adopt.
    manner.store(0, std::sync::atomic::Ordering::Relaxed);
    disk.heal();
    for _ in 0..2 {
        bench.until_done(4 * HOUR).await;
        let outcomes: DeliveryOutcomes = bench.shutdown(Duration::from_secs(5)).await;
        model.dropped += outcomes.dropped.total();
        bench = start(&disk, seed, &receiver);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bench.send([model.next]);
    model.issued.insert(model.next);
    bench.until_done(HOUR).await;
    let taken = receiver.taken();
    assert!(taken.contains(&model.next), "a fresh item passes");
    assert!(taken.is_subset(&model.issued), "nothing is invented");
    let missing = (model.issued.len() - taken.len()) as u64;
    assert!(
        missing <= model.dropped + model.killed_in_memory,
        "{missing} missing, {} dropped",
        model.dropped
    );
    (receiver, model)
}

fn start(disk: &SimulatedDisk, seed: u64, receiver: &Arc<Receiver>) -> Bench {
    let mut setup = Setup { seed, file_system: Arc::new(disk.clone()), ..Setup::default() };
    setup.config.spool.state_dir = Some("/state".into());
    setup.config.spool.max_bytes = 20_000;
    setup.config.memory_items = 100;
    setup.start(receiver)
}

fn receiver(manner: Arc<std::sync::atomic::AtomicU8>) -> Arc<Receiver> {
    Receiver::new(move |items, at| match manner.load(std::sync::atomic::Ordering::Relaxed) {
        1 => Ok(Response::new(503)),
        2 => Err(TransportError::Connect("refused".to_owned())),
        3 => Ok(Response::new(429).with_header("retry-after", "20")),
        4 => Ok(Response::new(if items.iter().any(|item| item % 7 == 3) { 400 } else { 200 })),
        5 => Ok(Response::new(if items.len() > 3 { 413 } else { 200 })),
        6 => Ok(Response::new(if at.as_secs() % 3 == 0 { 401 } else { 200 })),
        _ => Ok(Response::new(200)),
    })
}

fn set_disk(disk: &SimulatedDisk, way: u8) {
    match way {
        1 => disk.set_fault(|step, _| (step == Step::Write).then_some(ENOSPC)),
        2 => disk.set_fault(|step, _| (step == Step::Sync).then_some(EIO)),
        3 => {
            let mut count = 0;
            disk.set_fault(move |step, _| {
                count += 1;
                (step != Step::Remove && step != Step::Read && count % 3 == 0).then_some(EIO)
            });
        }
        _ => disk.heal(),
    }
}

/// The request that is on its way at the second end is taken, and nobody waits for its answer any more.
#[test]
fn an_end_in_the_middle_of_a_request_may_bring_its_items_twice_and_no_others() {
    let mut actions = vec![Action::Receiver(5)];
    actions.extend([32, 13, 4, 39].map(Action::Send));
    actions.extend([Action::Restart(12), Action::Send(5)]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (receiver, model) = runtime.block_on(live(actions, 1));
    assert_eq!((receiver.order(), model.dropped), ((0..94).collect::<Vec<_>>(), 0));
    assert!(model.cut_short == 1 && receiver.duplicates() <= MOST_ITEMS, "{}", receiver.duplicates());
}
