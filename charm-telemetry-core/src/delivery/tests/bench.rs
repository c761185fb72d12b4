//! A delivery in virtual time, before a receiver that is a function.
//!
//! Rule: the receiver believes nobody: it counts what it took, item by item, and compares payloads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::delivery::backoff::Random;
use crate::delivery::engine::Engine;
use crate::delivery::start::World;
use crate::delivery::transport::{Answer, Transport, TransportError, WireRequest};
use crate::delivery::{
    Body, DeliveryConfig, DeliveryHandle, DeliveryNotice, DeliveryOutcomes, Destination, EncodeError,
    Encoding, Item, Limits, Method, Request, Response, Sending, SpoolConfig, Tell,
};
use crate::outcome::DropReason;
use crate::spool::{FileSystem, RealFileSystem};

/// What a scripted receiver says.
pub(super) type Reply = Result<Response, TransportError>;

/// One delivery and all around it.
pub(super) struct Bench {
    pub(super) handle: DeliveryHandle,
    pub(super) notices: Arc<Mutex<Vec<DeliveryNotice>>>,
    task: JoinHandle<()>,
}

/// How a bench is set up.
pub(super) struct Setup {
    pub(super) config: DeliveryConfig,
    pub(super) limits: Limits,
    pub(super) identity: String,
    pub(super) file_system: Arc<dyn FileSystem>,
    pub(super) clock: Arc<TestClock>,
    pub(super) seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: DeliveryConfig::default(),
            limits: Limits {
                max_items: 10,
                max_item_bytes: 10_000,
                max_body_bytes: 100_000,
                ..Limits::default()
            },
            identity: "http://double/one".to_owned(),
            file_system: Arc::new(RealFileSystem),
            clock: Arc::new(TestClock::default()),
            seed: 1,
        }
    }
}

impl Setup {
    pub(super) fn spooling(dir: &Path) -> Self {
        let mut setup = Self::default();
        setup.config.spool = SpoolConfig::in_dir(dir);
        setup
    }

    /// Starts a delivery before this receiver.
    pub(super) fn start(self, receiver: &Arc<Receiver>) -> Bench {
        let destination = TestDestination { limits: self.limits, identity: self.identity.clone() };
        self.start_with(receiver, destination)
    }

    /// The same, and tells this one of everything.
    pub(super) fn start_telling(mut self, receiver: &Arc<Receiver>, tell: Tell) -> Bench {
        self.config.tell = Some(tell);
        self.start(receiver)
    }

    pub(super) fn start_with(mut self, receiver: &Arc<Receiver>, destination: impl Destination) -> Bench {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let kept = notices.clone();
        let keep: Tell = Arc::new(move |notice| kept.lock().unwrap().push(notice.clone()));
        self.config.tell = self.config.tell.or(Some(keep));
        let clock = self.clock.clone();
        let world = World {
            transport: Arc::new(receiver.clone()),
            file_system: self.file_system,
            random: Random::seeded(self.seed),
            wall: Arc::new(move || clock.now()),
        };
        let engine = Engine::new(Arc::new(destination), self.config, world).unwrap();
        let handle = DeliveryHandle::new(engine.shared().clone());
        Bench { handle, notices, task: tokio::spawn(engine.run()) }
    }
}

impl Bench {
    /// Hands over items with these numbers.
    pub(super) fn send(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.handle.send(item(number));
        }
    }

    pub(super) fn outcomes(&self) -> DeliveryOutcomes {
        let outcomes = self.handle.report().outcomes;
        assert!(outcomes.is_balanced(), "{outcomes:?}");
        outcomes
    }

    /// Lets time pass until nothing waits in memory or in the spool.
    pub(super) async fn until_done(&self, patience: Duration) {
        self.until(patience, |outcomes| outcomes.pending + outcomes.spooled == 0).await;
    }

    pub(super) async fn until(&self, patience: Duration, done: impl Fn(&DeliveryOutcomes) -> bool) {
        let end = Instant::now() + patience;
        while !done(&self.outcomes()) {
            assert!(Instant::now() < end, "not done after {patience:?}: {}", self.handle.report());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Shuts down and waits for the tasks, without blocking the runtime of the test.
    pub(super) async fn shutdown(self, deadline: Duration) -> DeliveryOutcomes {
        self.handle.begin_shutdown(deadline);
        self.task.await.unwrap();
        let outcomes = self.handle.report().outcomes;
        assert!(outcomes.is_balanced(), "{outcomes:?}");
        assert_eq!(outcomes.pending, 0);
        outcomes
    }

    /// Ends as a killed process does: nothing is saved, and the locks are let go.
    pub(super) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
        // The task that spills ends when the books are closed.
        drop(self.handle.shutdown(Duration::ZERO));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The item with a number: its payload depends on nothing else.
pub(super) fn item(number: u64) -> Item {
    Item::new(payload(number).into_bytes())
}

/// The JSON of an item.
pub(super) fn payload(number: u64) -> String {
    let filler = "x".repeat(usize::try_from(number % 97).unwrap());
    format!(r#"{{"id":{number},"filler":"{filler}"}}"#)
}

/// JSON arrays, uncompressed, judged by the standard table.
pub(super) struct TestDestination {
    pub(super) limits: Limits,
    pub(super) identity: String,
}

impl Destination for TestDestination {
    fn name(&self) -> &'static str {
        "double"
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        Ok(Body::json(join(items)))
    }

    fn encoding(&self) -> Encoding {
        Encoding::Identity
    }

    fn request(&self, sending: &Sending<'_>) -> Request {
        Request::post("http://double/one").header("batch-id", sending.batch_id)
    }
}

/// Of a destination whose first field is a [`TestDestination`]: all but `assemble`, as that has it.
macro_rules! else_as_the_double {
    () => {
        fn name(&self) -> &str {
            self.0.name()
        }

        fn identity(&self) -> String {
            self.0.identity()
        }

        fn limits(&self) -> crate::delivery::Limits {
            self.0.limits()
        }

        fn encoding(&self) -> crate::delivery::Encoding {
            self.0.encoding()
        }

        fn request(&self, sending: &crate::delivery::Sending<'_>) -> crate::delivery::Request {
            self.0.request(sending)
        }
    };
}
pub(super) use else_as_the_double;

/// The items as a JSON array.
pub(super) fn join(items: &[Item]) -> Vec<u8> {
    let texts: Vec<_> = items.iter().map(|item| String::from_utf8_lossy(item.bytes())).collect();
    format!("[{}]", texts.join(",")).into_bytes()
}

/// Told the numbers of the items and the time since the receiver was made.
type Decide = Box<dyn Fn(&[u64], Duration) -> Reply + Send + Sync>;

/// A receiver that is a function of the numbers of the items and the time since it was made.
pub(super) struct Receiver {
    decide: Decide,
    started: Instant,
    /// Nothing is taken before then.
    down_until: Mutex<Instant>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    taken: BTreeMap<u64, u32>,
    order: Vec<u64>,
    requests: Vec<(Duration, Vec<u64>)>,
}

impl Receiver {
    pub(super) fn new(decide: impl Fn(&[u64], Duration) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        let (started, down_until) = (Instant::now(), Mutex::new(Instant::now()));
        Arc::new(Self { decide: Box::new(decide), started, down_until, log: Mutex::default() })
    }

    /// Answers with this status to everything.
    pub(super) fn always(status: u16) -> Arc<Self> {
        Self::new(move |_, _| Ok(Response::new(status)))
    }

    /// Answers 503 for so long from now on.
    pub(super) fn fail_for(&self, time: Duration) {
        *self.down_until.lock().unwrap() = Instant::now() + time;
    }

    /// Which items were taken, however often.
    pub(super) fn taken(&self) -> BTreeSet<u64> {
        self.log.lock().unwrap().taken.keys().copied().collect()
    }

    /// The items in the order in which each was first taken.
    pub(super) fn order(&self) -> Vec<u64> {
        self.log.lock().unwrap().order.clone()
    }

    /// How many items were taken more than once.
    pub(super) fn duplicates(&self) -> usize {
        self.log.lock().unwrap().taken.values().filter(|&&times| times > 1).count()
    }

    /// When requests came, and with which items.
    pub(super) fn requests(&self) -> Vec<(Duration, Vec<u64>)> {
        self.log.lock().unwrap().requests.clone()
    }

    fn receive(&self, body: &[u8]) -> Reply {
        let items: Vec<serde_json::Value> = serde_json::from_slice(body).expect("the body is a JSON array");
        let numbers: Vec<u64> = items.iter().map(|item| item["id"].as_u64().unwrap()).collect();
        for (item, &number) in items.iter().zip(&numbers) {
            assert_eq!(item, &serde_json::from_str::<serde_json::Value>(&payload(number)).unwrap());
        }
        let at = self.started.elapsed();
        let is_down = Instant::now() < *self.down_until.lock().unwrap();
        let reply = if is_down { Ok(Response::new(503)) } else { (self.decide)(&numbers, at) };
        let mut log = self.log.lock().unwrap();
        log.requests.push((at, numbers.clone()));
        if reply.as_ref().is_ok_and(Response::is_success) {
            for number in numbers {
                let times = log.taken.entry(number).or_default();
                *times += 1;
                if *times == 1 {
                    log.order.push(number);
                }
            }
        }
        reply
    }
}

impl Transport for Arc<Receiver> {
    fn send(&self, wire: WireRequest, timeout: Duration) -> Answer<'_> {
        const LATENCY: Duration = Duration::from_millis(20);
        Box::pin(async move {
            if timeout < LATENCY {
                tokio::time::sleep(timeout).await;
                return Err(TransportError::Timeout(timeout));
            }
            tokio::time::sleep(LATENCY).await;
            // A greeting.
            if wire.request.method == Method::Get {
                return Ok(Response::new(200));
            }
            let reply = self.receive(&wire.body);
            if matches!(reply, Err(TransportError::Timeout(_))) {
                tokio::time::sleep(timeout - LATENCY).await;
            }
            reply
        })
    }
}

/// A wall clock that can be set.
pub(super) struct TestClock {
    started: Instant,
    seconds: AtomicI64,
}

impl Default for TestClock {
    fn default() -> Self {
        const IN_2026: i64 = 1_795_000_000;
        Self { started: Instant::now(), seconds: AtomicI64::new(IN_2026) }
    }
}

impl TestClock {
    /// Moves the clock, not the time.
    pub(super) fn step(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn set(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> SystemTime {
        let seconds = u64::try_from(self.seconds.load(Ordering::Relaxed)).unwrap_or(0);
        UNIX_EPOCH + Duration::from_secs(seconds) + self.started.elapsed()
    }
}

/// How many were lost for a reason.
pub(super) fn lost(outcomes: &DeliveryOutcomes, reason: DropReason) -> u64 {
    outcomes.dropped.by(reason)
}

/// Virtual hours are cheap.
pub(super) const HOUR: Duration = Duration::from_hours(1);
