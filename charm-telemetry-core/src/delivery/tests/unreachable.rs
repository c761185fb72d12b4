//! Receivers that nobody comes to: connections that hang, names that nobody knows, names that take for ever.
//!
//! Rule: a try ends in time, other destinations do not notice, and all is delivered when the way is free.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;

use super::bench::{TestDestination, item};
use super::gate::Gate;
use super::taken::{Taken, accept_all};
use crate::delivery::backoff::Random;
use crate::delivery::engine::Engine;
use crate::delivery::names::{LookUp, Names};
use crate::delivery::runtime;
use crate::delivery::start::World;
use crate::delivery::tls;
use crate::delivery::transport::{HttpTransport, Transport, TransportError, WireRequest};
use crate::delivery::{
    Body, DeliveryConfig, DeliveryHandle, Destination, EncodeError, Encoding, Item, Limits, NoticeKind,
    Request, Sending, SpoolConfig,
};
use crate::environment::Environment;
use crate::spool::RealFileSystem;
use crate::testing::ReceiverDouble;

const PATIENCE: Duration = Duration::from_secs(20);

/// The test destination at a real address.
struct To(TestDestination, String);

impl Destination for To {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn identity(&self) -> String {
        self.1.clone()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        self.0.assemble(items)
    }

    fn encoding(&self) -> Encoding {
        Encoding::Gzip
    }

    fn request(&self, _: &Sending<'_>) -> Request {
        Request::post(&self.1)
    }
}

/// A thread that serves destinations, and a client, apart from those of other tests.
struct Host {
    runtime: Handle,
    client: HttpTransport,
}

impl Host {
    fn new(look_up: LookUp) -> Self {
        let tls = tls::config(tls::trusted().unwrap(), None).unwrap();
        let client = HttpTransport::with_names(tls, tls::CERT_FILE, Names::by(look_up)).unwrap();
        Self { runtime: runtime::start().unwrap(), client }
    }

    /// A delivery to this address, with a spool, and a try that ends by this time.
    fn start(&self, url: &str, timeout: &str, dir: &tempfile::TempDir) -> Sender {
        let environment = Environment::from_pairs([("CHARM_DELIVERY_TIMEOUT", timeout)]);
        let told: Arc<Mutex<Vec<(NoticeKind, String)>>> = Arc::default();
        let kept = told.clone();
        let config = DeliveryConfig {
            first_backoff: Duration::from_millis(20),
            max_backoff: Duration::from_millis(20),
            spool: SpoolConfig::in_dir(dir.path()),
            tell: Some(Arc::new(move |notice| {
                kept.lock().unwrap().push((notice.kind, notice.message.clone()));
            })),
            ..DeliveryConfig::from_environment(&environment).ok().unwrap()
        };
        let world = World {
            transport: Arc::new(self.client.clone()),
            file_system: Arc::new(RealFileSystem),
            random: Random::seeded(1),
            wall: Arc::new(SystemTime::now),
        };
        let limits = Limits { max_items: 10, linger: Duration::from_millis(10), ..Limits::default() };
        let destination = To(TestDestination { limits, identity: String::new() }, url.to_owned());
        let engine = Engine::new(Arc::new(destination), config, world).unwrap();
        let handle = DeliveryHandle::new(engine.shared().clone());
        self.runtime.spawn(engine.run());
        Sender { handle, told }
    }
}

struct Sender {
    handle: DeliveryHandle,
    told: Arc<Mutex<Vec<(NoticeKind, String)>>>,
}

impl Sender {
    fn send(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.handle.send(item(number));
        }
    }

    /// Waits in real time until something is so.
    #[track_caller]
    fn until(&self, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "not in time: {}", self.handle.report());
            assert!(self.handle.report().outcomes.is_balanced());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for so many tries, all in vain, with every item on the disk.
    #[track_caller]
    fn until_tried(&self, times: u64, items: u64) {
        self.until(|this| {
            let outcomes = this.handle.report().outcomes;
            outcomes.requests >= times && outcomes.spooled == items
        });
        let outcomes = self.handle.report().outcomes;
        assert_eq!((outcomes.delivered, outcomes.pending, outcomes.dropped.total()), (0, 0, 0));
    }

    /// Sends one more, and expects that this receiver gets it and all before it.
    #[track_caller]
    fn ends_with_all(self, items: u64, taken: &Taken) {
        self.send(items..items + 1);
        self.until(|this| this.handle.report().outcomes.delivered == items + 1);
        assert_eq!(taken.numbers(), (0..=items).collect());
        let outcomes = self.handle.shutdown(PATIENCE).outcomes;
        assert_eq!((outcomes.accepted, outcomes.dropped.total(), outcomes.spooled), (items + 1, 0, 0));
    }
}

/// A receiver that compares payloads.
fn receiver() -> (ReceiverDouble, Arc<Taken>) {
    let (receiver, taken) = (ReceiverDouble::start(), Arc::default());
    accept_all(&receiver, &taken);
    (receiver, taken)
}

/// Expects that a destination of its own on this host delivers at once.
#[track_caller]
fn assert_others_deliver(host: &Host) {
    let (receiver, taken) = receiver();
    let dir = tempfile::tempdir().unwrap();
    let before = Instant::now();
    let healthy = host.start(&receiver.url("/healthy"), "10s", &dir);
    healthy.send(0..50);
    healthy.ends_with_all(50, &taken);
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

#[test]
fn a_connection_that_hangs_ends_in_time_stops_nobody_and_all_is_delivered_when_the_way_is_free() {
    let host = Host::new(|_| Err(io::ErrorKind::Unsupported.into()));
    let (receiver, taken) = receiver();
    let mut gate = Gate::blocked();
    let dir = tempfile::tempdir().unwrap();
    let sender = host.start(&gate.url(), "200ms", &dir);
    let before = Instant::now();
    sender.send(0..30);
    sender.until_tried(5, 30);
    // The fifth has begun: four have ended, each after all of its time and not much more, and a pause of 2 to 20 ms.
    let elapsed = before.elapsed();
    println!("four tries ended within {elapsed:?}");
    assert!((Duration::from_millis(800)..Duration::from_secs(3)).contains(&elapsed), "{elapsed:?}");
    let told = sender.told.lock().unwrap().clone();
    assert_eq!(told[0], (NoticeKind::Retrying, "no answer within 200ms; it is sent again".to_owned()));
    assert_others_deliver(&host);
    assert!(receiver.requests().is_empty());
    gate.open(receiver.address());
    sender.ends_with_all(30, &taken);
}

#[test]
fn a_connection_has_no_more_than_five_seconds_of_a_longer_time() {
    let gate = Gate::blocked();
    let client = Host::new(|_| Err(io::ErrorKind::Unsupported.into())).client;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wire = WireRequest { request: Request::post(gate.url()), body: b"[]".to_vec() };
    let before = Instant::now();
    let error = runtime.block_on(client.send(wire, Duration::from_secs(10))).unwrap_err();
    assert!(matches!(error, TransportError::Connect(_)), "{error}");
    assert!((5..8).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

static LOOK_UPS: AtomicU32 = AtomicU32::new(0);
static ANSWERS: AtomicBool = AtomicBool::new(false);

/// Takes until it is let go.
#[expect(clippy::unnecessary_wraps, reason = "the type of a look-up")]
fn look_up_slowly(_: &str) -> io::Result<Vec<SocketAddr>> {
    LOOK_UPS.fetch_add(1, Ordering::Relaxed);
    let end = Instant::now() + PATIENCE;
    while !ANSWERS.load(Ordering::Relaxed) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])
}

#[test]
fn a_name_that_takes_for_ever_holds_one_thread_stops_nobody_and_all_is_delivered_when_it_is_found() {
    let host = Host::new(look_up_slowly);
    let (receiver, taken) = receiver();
    let dir = tempfile::tempdir().unwrap();
    let sender = host.start(&format!("http://slow.test:{}/", receiver.address().port()), "30ms", &dir);
    sender.send(0..30);
    // More tries than there are helper threads.
    sender.until_tried(40, 30);
    assert_eq!(LOOK_UPS.load(Ordering::Relaxed), 1, "all of them wait for the first");
    assert_eq!(sender.told.lock().unwrap()[0].1, "no answer within 30ms; it is sent again");
    assert_others_deliver(&host);
    ANSWERS.store(true, Ordering::Relaxed);
    sender.ends_with_all(30, &taken);
}

static IS_KNOWN: AtomicBool = AtomicBool::new(false);

/// Nobody knows it, and then it is known.
fn look_up_in_vain(_: &str) -> io::Result<Vec<SocketAddr>> {
    if IS_KNOWN.load(Ordering::Relaxed) {
        return Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()]);
    }
    Err(io::Error::other("temporary failure in name resolution"))
}

#[test]
fn a_name_that_nobody_knows_is_looked_up_again_stops_nobody_and_all_is_delivered_when_it_is_found() {
    let host = Host::new(look_up_in_vain);
    let (receiver, taken) = receiver();
    let dir = tempfile::tempdir().unwrap();
    let sender = host.start(&format!("http://unknown.test:{}/", receiver.address().port()), "10s", &dir);
    sender.send(0..30);
    sender.until_tried(20, 30);
    let told = sender.told.lock().unwrap()[0].1.clone();
    assert!(told.starts_with("no connection: ") && told.contains("temporary failure in name"), "{told}");
    assert_others_deliver(&host);
    IS_KNOWN.store(true, Ordering::Relaxed);
    sender.ends_with_all(30, &taken);
}

static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

#[test]
fn a_look_up_that_was_cut_off_is_begun_again() {
    let host = Host::new(|_| {
        assert!(HAS_PANICKED.swap(true, Ordering::Relaxed), "no word");
        Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])
    });
    let (receiver, taken) = receiver();
    let dir = tempfile::tempdir().unwrap();
    let sender = host.start(&format!("http://again.test:{}/", receiver.address().port()), "10s", &dir);
    sender.send(0..30);
    sender.ends_with_all(30, &taken);
}
