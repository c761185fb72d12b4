//! Destinations whose code panics, fails or hangs.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup, TestDestination, else_as_the_double, join, lost};
use crate::delivery::{
    Body, Destination, Disposition, EncodeError, Encoding, Item, Limits, Request, Response, Sending,
};
use crate::outcome::DropReason;

/// Of which a body is larger than its items let expect.
struct Bulky(TestDestination);

impl Destination for Bulky {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        const EACH: usize = 30_000;
        Ok(Body::json([join(items), vec![b' '; EACH * items.len()]].concat()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_became_larger_than_the_vendor_takes_is_not_sent_but_its_halves_are() {
    let receiver = Receiver::always(200);
    let setup = Setup::default();
    let destination = TestDestination { limits: setup.limits, identity: setup.identity.clone() };
    let bench = setup.start_with(&receiver, Bulky(destination));
    bench.send(0..20);
    bench.until_done(HOUR).await;
    assert_eq!(receiver.order(), (0..20).collect::<Vec<_>>());
    assert!(receiver.requests().iter().all(|(_, items)| items.len() <= 3), "{:?}", receiver.requests());
}

const TWO_SECONDS: Duration = Duration::from_secs(2);

/// A destination of which one method misbehaves.
struct Faulty {
    inner: TestDestination,
    misbehave: fn(&str, &[Item]),
    fails_on_five: bool,
    is_forbidden: bool,
    told: Arc<Mutex<Vec<(usize, DropReason)>>>,
}

impl Faulty {
    fn new(misbehave: fn(&str, &[Item])) -> Self {
        let Setup { limits, identity, .. } = Setup::default();
        Self {
            inner: TestDestination { limits, identity },
            misbehave,
            fails_on_five: false,
            is_forbidden: false,
            told: Arc::default(),
        }
    }
}

impl Destination for Faulty {
    fn name(&self) -> &'static str {
        "double"
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn limits(&self) -> Limits {
        self.inner.limits
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        if self.fails_on_five && has_five(items) {
            return Err("no 5, please".into());
        }
        (self.misbehave)("assemble", items);
        Ok(Body::json(join(items)))
    }

    fn encoding(&self) -> Encoding {
        Encoding::Identity
    }

    fn request(&self, sending: &Sending<'_>) -> Request {
        self.inner.request(sending)
    }

    fn classify(&self, response: &Response) -> Disposition {
        (self.misbehave)("classify", &[]);
        Disposition::standard(response)
    }

    fn forbids(&self) -> Option<DropReason> {
        self.is_forbidden.then_some(DropReason::RateLimited)
    }

    fn wants_dropped(&self) -> bool {
        true
    }

    fn dropped(&self, items: &[Item], reason: DropReason) {
        self.told.lock().unwrap().push((items.len(), reason));
        (self.misbehave)("dropped", items);
    }
}

fn has_five(items: &[Item]) -> bool {
    items.iter().any(|item| item.bytes().starts_with(b"{\"id\":5,"))
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_encoding_costs_the_item_that_caused_it() {
    let text = |_: &str, items: &[Item]| assert!(!has_five(items), "five");
    let number = |_: &str, items: &[Item]| {
        if has_five(items) {
            std::panic::panic_any(5);
        }
    };
    for misbehave in [text as fn(&str, &[Item]), number] {
        let receiver = Receiver::always(200);
        let faulty = Faulty::new(misbehave);
        let told = faulty.told.clone();
        let bench = Setup::default().start_with(&receiver, faulty);
        bench.send(0..20);
        bench.until_done(HOUR).await;
        let outcomes = bench.outcomes();
        assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::ExporterPanic)), (19, 1));
        assert_eq!(*told.lock().unwrap(), [(1, DropReason::ExporterPanic)]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_while_encoding_costs_the_item_that_caused_it() {
    let receiver = Receiver::always(200);
    let bench =
        Setup::default().start_with(&receiver, Faulty { fails_on_five: true, ..Faulty::new(|_, _| {}) });
    bench.send(0..20);
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!((outcomes.delivered, lost(&outcomes, DropReason::EncodeError)), (19, 1));
    assert!(bench.handle.report().last_error.unwrap().contains("no 5, please"));
}

#[tokio::test(start_paused = true)]
async fn what_the_vendor_forbids_is_dropped_without_a_request_and_told() {
    let receiver = Receiver::always(200);
    let unsent = |method: &str, _: &[Item]| assert_ne!(method, "assemble", "nothing may be sent");
    let faulty = Faulty { is_forbidden: true, ..Faulty::new(unsent) };
    let told = faulty.told.clone();
    let bench = Setup::default().start_with(&receiver, faulty);
    bench.send(0..20);
    bench.until_done(HOUR).await;
    let outcomes = bench.outcomes();
    assert_eq!((outcomes.requests, lost(&outcomes, DropReason::RateLimited)), (0, 20));
    assert_eq!(*told.lock().unwrap(), [(10, DropReason::RateLimited), (10, DropReason::RateLimited)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_table_lets_the_general_table_decide() {
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 5 { 503 } else { 200 })));
    let bench =
        Setup::default().start_with(&receiver, Faulty::new(|method, _| assert_ne!(method, "classify")));
    bench.send(0..20);
    bench.until_done(HOUR).await;
    assert_eq!(bench.outcomes().delivered, 20);
}

#[tokio::test(start_paused = true)]
async fn the_vendor_may_fall_back_to_another_way_of_speaking_but_not_for_ever() {
    struct Fallback(TestDestination, AtomicBool, AtomicU32);
    impl Destination for Fallback {
        fn name(&self) -> &'static str {
            "double"
        }
        fn identity(&self) -> String {
            self.0.identity()
        }
        fn limits(&self) -> Limits {
            self.0.limits
        }
        fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
            self.0.assemble(items)
        }
        fn encoding(&self) -> Encoding {
            Encoding::Identity
        }
        fn request(&self, sending: &Sending<'_>) -> Request {
            self.0.request(sending)
        }
        fn classify(&self, response: &Response) -> Disposition {
            if response.status != 404 {
                return Disposition::standard(response);
            }
            self.2.fetch_add(1, Ordering::Relaxed);
            self.1.store(true, Ordering::Relaxed);
            Disposition::Reassemble
        }
    }
    let receiver = Receiver::new(|_, at| Ok(Response::new(if at.as_secs() < 20 { 404 } else { 200 })));
    let Setup { limits, identity, .. } = Setup::default();
    let destination =
        Fallback(TestDestination { limits, identity }, AtomicBool::new(false), AtomicU32::new(0));
    let bench = Setup::default().start_with(&receiver, destination);
    bench.send(0..5);
    bench.until_done(HOUR).await;
    let requests = receiver.requests();
    assert!(requests[1].0.abs_diff(requests[0].0) < Duration::from_millis(100), "at once");
    assert!(requests[2].0.abs_diff(requests[1].0) >= Duration::from_millis(100), "then with a pause");
    assert!(requests.len() < 40);
}

/// Held for as long as the code of the vendor is to hang.
static RELEASE: Mutex<()> = Mutex::new(());

#[test]
fn code_that_hangs_stops_neither_another_destination_nor_the_shutdown() {
    // Real time: a thread that hangs cannot be simulated.
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let blocked = RELEASE.lock().unwrap();
    runtime.block_on(async {
        let receiver = Receiver::always(200);
        let hang = |method: &str, _: &[Item]| {
            if method == "assemble" {
                drop(RELEASE.lock());
            }
        };
        let hanging = Setup::spooling(dir.path()).start_with(&receiver, Faulty::new(hang));
        hanging.send(100..130);
        let mut setup = Setup::default();
        setup.limits.linger = Duration::from_millis(10);
        let healthy = setup.start(&receiver);
        healthy.send(0..30);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(receiver.taken().len(), 30);
        let before = std::time::Instant::now();
        let outcomes = hanging.shutdown(TWO_SECONDS).await;
        assert!(before.elapsed() <= Duration::from_millis(2200), "{:?}", before.elapsed());
        assert_eq!(outcomes.spooled, 30, "{outcomes:?}");
    });
    drop(blocked);
}
