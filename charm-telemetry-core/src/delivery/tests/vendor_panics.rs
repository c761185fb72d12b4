//! Destinations of which every method panics, their end and the panic's own payload too.
//!
//! Rule: each is counted and told, costs no more than the items that were in it, and stops nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::bench::{Bench, HOUR, Receiver, Setup, TestDestination, else_as_the_double, lost};
use crate::delivery::{
    Body, Destination, Disposition, EncodeError, Encoding, Item, NoticeKind, Request, Response, Sending,
};
use crate::delivery::{DeliveryState, Limits};
use crate::outcome::DropReason;

const TWO_SECONDS: Duration = Duration::from_secs(2);

/// A payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload as well");
    }
}

/// Panics in one method, as long as it is on.
struct Panicky {
    inner: TestDestination,
    method: &'static str,
    on: Arc<AtomicBool>,
    /// With a payload that is a [`Bomb`], not a text.
    with_bomb: bool,
}

impl Panicky {
    fn in_method(method: &'static str, with_bomb: bool) -> Self {
        let Setup { limits, identity, .. } = Setup::default();
        Self { inner: TestDestination { limits, identity }, method, on: Arc::new(true.into()), with_bomb }
    }

    fn at(&self, method: &str) {
        if self.method == method && self.on.load(Ordering::Relaxed) {
            if self.with_bomb {
                std::panic::panic_any(Bomb);
            }
            panic!("not in `{method}`");
        }
    }
}

impl Destination for Panicky {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        self.at("assemble");
        self.inner.assemble(items)
    }

    fn encoding(&self) -> Encoding {
        self.at("encoding");
        Encoding::Identity
    }

    fn request(&self, sending: &Sending<'_>) -> Request {
        self.at("request");
        self.inner.request(sending)
    }

    fn classify(&self, response: &Response) -> Disposition {
        self.at("classify");
        Disposition::standard(response)
    }

    fn greeting(&self) -> Option<Request> {
        self.at("greeting");
        Some(Request::get("http://double/info"))
    }

    fn greeted(&self, _: Option<&Response>) {
        self.at("greeted");
    }

    fn forbids(&self) -> Option<DropReason> {
        self.at("forbids");
        // Something has to be lost for `dropped` to be called.
        (self.method == "dropped").then_some(DropReason::RateLimited)
    }

    fn is_outdated(&self, _: &Item, _: SystemTime) -> bool {
        self.at("is_outdated");
        false
    }

    fn wants_dropped(&self) -> bool {
        true
    }

    fn dropped(&self, _: &[Item], _: DropReason) {
        self.at("dropped");
    }
}

impl Drop for Panicky {
    fn drop(&mut self) {
        // In a test that has failed already, a second panic would hide the first.
        if !std::thread::panicking() {
            self.at("drop");
        }
    }
}

/// What was told of panics.
fn told(bench: &Bench) -> Vec<String> {
    let notices = bench.notices.lock().unwrap();
    let panics = notices.iter().filter(|notice| notice.kind == NoticeKind::Panicked);
    panics.map(|notice| notice.message.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_panic_where_requests_are_made_costs_the_batches_that_were_in_it_and_keeps_them_to_be_looked_at() {
    for method in ["forbids", "assemble", "encoding", "request"] {
        for with_bomb in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (receiver, neighbour) = (Receiver::always(200), Receiver::always(200));
            let panicky = Panicky::in_method(method, with_bomb);
            let on = panicky.on.clone();
            let bench = Setup::spooling(dir.path()).start_with(&receiver, panicky);
            let other = Setup::default().start(&neighbour);
            bench.send(0..20);
            other.send(0..20);
            bench.until(HOUR, |outcomes| lost(outcomes, DropReason::ExporterPanic) == 20).await;
            assert_eq!(kept_to_be_looked_at(dir.path()), 20, "{method}");
            let panics = bench.outcomes().panics;
            // Two batches of ten, halved until each item is alone: 2 + 4 + 8 + 16 + 8 calls.
            assert_eq!(panics, 38, "{method}");
            let said =
                if with_bomb { "a panic without a message".to_owned() } else { format!("not in `{method}`") };
            let text = format!("the code that makes requests of the exporter panicked: {said}");
            assert_eq!(told(&bench), vec![text; 6], "{method}: the 1st, 2nd, 4th... 32nd");
            on.store(false, Ordering::Relaxed);
            bench.send([20]);
            bench.until(HOUR, |outcomes| outcomes.delivered == 1).await;
            assert_eq!(receiver.order(), [20], "{method}: a fresh item passes");
            other.until_done(HOUR).await;
            assert_eq!(neighbour.taken().len(), 20, "{method}: its neighbour has lost nothing");
            let outcomes = bench.shutdown(TWO_SECONDS).await;
            assert_eq!((outcomes.accepted, outcomes.delivered, outcomes.dropped.total()), (21, 1, 20));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_method_that_only_learns_costs_nothing_and_is_counted() {
    for method in ["greeting", "greeted", "classify"] {
        for with_bomb in [false, true] {
            let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 3 { 503 } else { 200 })));
            let panicky = Panicky::in_method(method, with_bomb);
            let bench = Setup::default().start_with(&receiver, panicky);
            bench.send(0..20);
            bench.until_done(HOUR).await;
            bench.send([20]);
            bench.until_done(HOUR).await;
            assert_eq!(receiver.order(), (0..21).collect::<Vec<_>>(), "{method}");
            let outcomes = bench.outcomes();
            let answers = if method == "classify" { outcomes.requests } else { 1 };
            assert_eq!((outcomes.delivered, outcomes.panics), (21, answers), "{method}: {outcomes:?}");
            assert!(told(&bench)[0].starts_with(&format!("`{method}` of the exporter panicked: ")));
            let outcomes = bench.shutdown(TWO_SECONDS).await;
            assert_eq!(outcomes.dropped.total(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_who_says_what_is_too_old_leaves_it_to_the_receiver() {
    for with_bomb in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 3 { 503 } else { 200 })));
        let panicky = Panicky::in_method("is_outdated", with_bomb);
        let bench = Setup::spooling(dir.path()).start_with(&receiver, panicky);
        bench.send(0..20);
        bench.until_done(HOUR).await;
        let outcomes = bench.outcomes();
        assert_eq!(receiver.order(), (0..20).collect::<Vec<_>>());
        assert_eq!((outcomes.delivered, outcomes.dropped.total()), (20, 0), "{outcomes:?}");
        assert!(outcomes.panics > 0, "{outcomes:?}");
        assert!(told(&bench)[0].starts_with("`is_outdated` of the exporter panicked: "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_who_is_told_of_losses_changes_no_count() {
    for with_bomb in [false, true] {
        let receiver = Receiver::always(200);
        let panicky = Panicky::in_method("dropped", with_bomb);
        let bench = Setup::default().start_with(&receiver, panicky);
        bench.send(0..30);
        bench.until_done(HOUR).await;
        let outcomes = bench.outcomes();
        assert_eq!((lost(&outcomes, DropReason::RateLimited), outcomes.panics), (30, 3));
        assert_eq!(told(&bench).len(), 2, "the 1st and the 2nd");
        assert_eq!(bench.shutdown(TWO_SECONDS).await.accepted, 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_when_the_destination_ends_comes_after_the_books_are_closed_and_is_counted() {
    for with_bomb in [false, true] {
        let receiver = Receiver::always(200);
        let panicky = Panicky::in_method("drop", with_bomb);
        let bench = Setup::default().start_with(&receiver, panicky);
        let handle = bench.handle.clone();
        bench.send(0..20);
        assert_eq!(bench.shutdown(TWO_SECONDS).await.delivered, 20);
        let end = tokio::time::Instant::now() + TWO_SECONDS;
        while handle.report().outcomes.panics == 0 {
            assert!(tokio::time::Instant::now() < end, "the panic was not counted");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let report = handle.report();
        assert_eq!((report.state, report.outcomes.panics), (DeliveryState::Finished, 1));
    }
}

/// Waits in its end until it is let go.
struct Lingering(TestDestination, std::sync::Mutex<mpsc::Receiver<()>>);

impl Destination for Lingering {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        self.0.assemble(items)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        // Nobody lets go when the test has failed.
        let _ = self.1.lock().unwrap().recv_timeout(Duration::from_secs(20));
    }
}

#[test]
fn a_destination_that_hangs_in_its_end_stops_neither_another_one_nor_its_own_shutdown() {
    // Real time: a thread that hangs cannot be simulated.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (let_go, waits) = mpsc::channel();
    let before = std::time::Instant::now();
    runtime.block_on(async {
        let (receiver, mut setup) = (Receiver::always(200), Setup::default());
        let Setup { limits, identity, .. } = Setup::default();
        setup.limits.linger = Duration::from_millis(10);
        let lingering = Lingering(TestDestination { limits, identity }, std::sync::Mutex::new(waits));
        let bench = Setup::default().start_with(&receiver, lingering);
        let healthy = setup.start(&receiver);
        bench.send(0..20);
        assert_eq!(bench.shutdown(TWO_SECONDS).await.delivered, 20);
        healthy.send(20..40);
        healthy.until_done(Duration::from_secs(10)).await;
        assert_eq!(receiver.taken().len(), 40);
    });
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    let_go.send(()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_is_told_may_panic() {
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 3 { 503 } else { 200 })));
    let setup = Setup::default();
    let bench = setup.start_telling(&receiver, Arc::new(|_| std::panic::panic_any(Bomb)));
    bench.send(0..20);
    bench.until_done(HOUR).await;
    assert!(bench.outcomes().retries > 0, "there was something to tell");
    assert_eq!(bench.shutdown(TWO_SECONDS).await.delivered, 20);
}

fn kept_to_be_looked_at(dir: &std::path::Path) -> usize {
    let kept = crate::spool::list(dir).unwrap();
    kept.iter().filter(|file| file.status == crate::spool::SpoolStatus::Rejected).count()
}
