//! Who is told of what is lost: the destination, and the operator through the manager.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup, TestDestination, else_as_the_double, lost};
use super::simulated_disk::{EIO, SimulatedDisk, Step};
use super::spool_faults::{leave, on};
use crate::delivery::{
    Body, Delivery, DeliveryConfig, DeliveryHandle, DeliveryNotice, DeliveryState, Destination, EncodeError,
    Item, Limits, NoticeKind, Request, Response, Sending,
};
use crate::outcome::DropReason;
use crate::testing::{Answer, MemoryWriter, ReceiverDouble};
use crate::{Environment, HookContext, HookResult, Manager, Notice, RawValue, TelemetryExporter};

/// Counts what it is told, if it wants to be told.
struct Mourner(TestDestination, Arc<Mutex<HashMap<DropReason, u64>>>, bool);

impl Destination for Mourner {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        self.0.assemble(items)
    }

    fn wants_dropped(&self) -> bool {
        self.2
    }

    fn dropped(&self, items: &[Item], reason: DropReason) {
        *self.1.lock().unwrap().entry(reason).or_default() += items.len() as u64;
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_is_told_of_what_is_lost_in_the_spool_by_cap_and_by_age() {
    for (reason, wait) in [(DropReason::SpoolFull, HOUR / 2), (DropReason::Expired, 24 * 8 * HOUR)] {
        let mut setup = Setup::default();
        setup.config.spool.state_dir = Some("/state".into());
        setup.file_system = Arc::new(SimulatedDisk::default());
        if reason == DropReason::SpoolFull {
            setup.config.spool.max_bytes = 6000;
        }
        let destination = TestDestination { limits: setup.limits, identity: setup.identity.clone() };
        let told = Arc::new(Mutex::new(HashMap::new()));
        let bench = setup.start_with(&Receiver::always(503), Mourner(destination, told.clone(), true));
        bench.send(0..200);
        tokio::time::sleep(wait).await;
        let outcomes = bench.outcomes();
        assert!(lost(&outcomes, reason) > 0, "{outcomes:?}");
        assert_eq!(told.lock().unwrap().get(&reason), Some(&lost(&outcomes, reason)), "{reason}");
    }
}

/// Asks how its delivery stands when it is told of a loss.
struct Asking(TestDestination, Arc<OnceLock<DeliveryHandle>>, Arc<Mutex<Heard>>);

/// The items that were lost by `spool_full`, and how the delivery stood then.
#[derive(Default)]
struct Heard {
    lost: u64,
    states: Vec<DeliveryState>,
}

impl Destination for Asking {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        self.0.assemble(items)
    }

    fn wants_dropped(&self) -> bool {
        true
    }

    fn dropped(&self, items: &[Item], reason: DropReason) {
        assert_eq!(reason, DropReason::SpoolFull);
        let mut heard = self.2.lock().unwrap();
        heard.lost += items.len() as u64;
        heard.states.push(self.1.get().unwrap().report().state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_is_told_of_its_last_losses_before_the_books_are_closed() {
    let disk = SimulatedDisk::default();
    disk.set_fault(|step, _| (step == Step::Write).then_some(EIO));
    let mut setup = on(&disk, Setup::default());
    setup.config.spool.max_bytes = 6000;
    let destination = TestDestination { limits: setup.limits, identity: setup.identity.clone() };
    let (handle, heard) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Heard::default())));
    let asking = Asking(destination, handle.clone(), heard.clone());
    let bench = setup.start_with(&Receiver::always(503), asking);
    assert!(handle.set(bench.handle.clone()).is_ok());
    bench.send(0..200);
    tokio::time::sleep(Duration::from_secs(5)).await;
    // The disk was not tried again yet: all is stored, and most of it given up, when it is over.
    disk.heal();
    let outcomes = bench.shutdown(Duration::from_secs(2)).await;
    let heard = heard.lock().unwrap();
    assert_eq!((heard.lost, heard.lost > 0), (lost(&outcomes, DropReason::SpoolFull), true), "{outcomes:?}");
    let is_over = |state: &DeliveryState| matches!(state, DeliveryState::CutOff | DeliveryState::Finished);
    assert!(!heard.states.iter().any(is_over), "{:?}", heard.states);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_does_not_want_to_be_told_is_not_and_what_is_lost_is_not_read_once_more() {
    let disk = SimulatedDisk::default();
    let reads = Arc::new(Mutex::new(Vec::new()));
    let log = reads.clone();
    disk.set_fault(move |step, path| {
        if step == Step::Read {
            log.lock().unwrap().push(path.to_owned());
        }
        None
    });
    let mut setup = Setup::default();
    setup.config.spool.state_dir = Some("/state".into());
    setup.config.spool.max_bytes = 6000;
    setup.file_system = Arc::new(disk);
    let destination = TestDestination { limits: setup.limits, identity: setup.identity.clone() };
    let told = Arc::new(Mutex::new(HashMap::new()));
    // Forbidden after the first answer: nothing is loaded for five minutes.
    let bench = setup.start_with(&Receiver::always(403), Mourner(destination, told.clone(), false));
    bench.send([0]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    reads.lock().unwrap().clear();
    bench.send(1..200);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(lost(&bench.outcomes(), DropReason::SpoolFull) > 0, "{:?}", bench.outcomes());
    assert_eq!(*reads.lock().unwrap(), [""; 0].map(std::path::PathBuf::from), "no file was read");
    assert!(told.lock().unwrap().is_empty());
}

/// What the operator heard of losses of ten items and more than fit, one by one and in the end.
async fn told_of_refusals(more: u64) -> Vec<String> {
    let mut setup = Setup::default();
    setup.config.memory_items = 10;
    let bench = setup.start(&Receiver::always(200));
    bench.send(0..10 + more);
    let notices = bench.notices.clone();
    let outcomes = bench.shutdown(Duration::from_secs(2)).await;
    assert_eq!(lost(&outcomes, DropReason::QueueFull), more);
    let notices = notices.lock().unwrap();
    notices.iter().map(|notice| notice.message.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_number_of_losses_there_were_those_that_were_not_told_are_told_in_the_end() {
    for more in [3, 4, 5, 8, 16] {
        let told = told_of_refusals(more).await;
        let all = format!("in all {more} items are lost: {more} queue_full");
        assert_eq!(told.last(), Some(&all), "{more}: {told:?}");
    }
    for more in [1, 2] {
        let told = told_of_refusals(more).await;
        assert!(!told.iter().any(|told| told.starts_with("in all")), "each was told: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_with_a_damaged_file_that_was_not_told_is_told_in_the_end() {
    for (files, untold) in [(2, false), (3, true), (4, true)] {
        let disk = SimulatedDisk::default();
        leave(&disk, Setup::default(), 0..10 * files).await;
        disk.damage(".batch", |bytes| bytes[0] ^= 1);
        let bench = on(&disk, Setup::default()).start(&Receiver::always(200));
        bench.until(HOUR, |outcomes| lost(outcomes, DropReason::Corrupt) == 10 * files).await;
        let notices = bench.notices.clone();
        bench.shutdown(Duration::from_secs(2)).await;
        let told: Vec<String> = notices.lock().unwrap().iter().map(|notice| notice.message.clone()).collect();
        let all = format!("in all {0} items are lost: {0} corrupt", 10 * files);
        assert_eq!(told.contains(&all), untold, "{files} files: {told:?}");
    }
}

/// Sends to a receiver that refuses everything.
struct Refused(String, Option<DeliveryHandle>);

struct At(String);

impl Destination for At {
    fn name(&self) -> &'static str {
        "refused"
    }

    fn identity(&self) -> String {
        String::new()
    }

    fn limits(&self) -> Limits {
        Limits { max_items: 1, ..Limits::default() }
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        Ok(Body::json(items[0].bytes()))
    }

    fn request(&self, _: &Sending<'_>) -> Request {
        Request::post(&self.0)
    }

    fn classify(&self, response: &Response) -> crate::delivery::Disposition {
        crate::delivery::Disposition::standard(response)
    }
}

impl TelemetryExporter for Refused {
    fn on_run_start(&mut self, _: &HookContext<'_>, _: &RawValue) -> HookResult {
        let handle = Delivery::start(At(self.0.clone()), DeliveryConfig::default())?;
        for _ in 0..9 {
            handle.send(Item::new(*b"{}"));
        }
        self.1 = Some(handle);
        Ok(())
    }

    fn shutdown(&mut self, deadline: Duration) -> HookResult {
        self.1.take().map(|handle| handle.shutdown(deadline));
        Ok(())
    }
}

#[test]
fn what_a_delivery_says_reaches_the_manager_without_secrets_and_ever_more_rarely() {
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(410).body("no such account: sesame-opens"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    let manager = Manager::builder()
        .environment(Environment::from_pairs([("ACCOUNT", "sesame-opens")]))
        .redact(["ACCOUNT"])
        .stdout(MemoryWriter::new())
        .exporter("refused", Refused(receiver.url("/"), None))
        .on_notice(move |notice| {
            if let Notice::Delivery(notice) = notice {
                kept.lock().unwrap().push(DeliveryNotice::clone(notice));
            }
        })
        .start()
        .unwrap();
    manager.start_run(&"x").finish("y");
    manager.shutdown(Duration::from_secs(10));
    let told = told.lock().unwrap();
    let counts: Vec<_> = told.iter().filter(|n| n.kind == NoticeKind::Dropped).map(|n| n.count).collect();
    // And in the end, all of them together.
    assert_eq!(counts, [1, 2, 4, 8, 1]);
    assert!(told.last().unwrap().message.starts_with("in all "), "{told:?}");
    assert!(told.iter().all(|notice| !notice.message.contains("sesame")), "{told:?}");
    assert!(told[0].message.contains("410") && told[0].message.contains("no such account"), "{told:?}");
}
