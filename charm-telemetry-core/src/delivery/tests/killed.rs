//! Processes that are killed at any moment.
//!
//! The test runs itself as a child, kills it, and starts the next one on the same spool.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::bench::{join, payload};
use super::dying_disk::{Death, DyingDisk};
use super::simulated_disk::Step;
use crate::delivery::backoff::Random;
use crate::delivery::engine::Engine;
use crate::delivery::runtime;
use crate::delivery::start::World;
use crate::delivery::transport::HttpTransport;
use crate::delivery::{
    Body, Delivery, DeliveryConfig, DeliveryHandle, Destination, EncodeError, Encoding, Item, Limits,
    Request, Sending, SpoolConfig,
};
use crate::testing::{Answer, ReceiverDouble};

const SEED: u64 = 20_261_122;
const ROUNDS: u64 = 200;
const ITEMS_OF_ONE: u64 = 1_000_000;
const CHILD_URL: &str = "CHARM_TEST_KILLED_URL";
const CHILD_DIR: &str = "CHARM_TEST_KILLED_DIR";
const CHILD_FIRST: &str = "CHARM_TEST_KILLED_FIRST";
const CHILD_DEATH: &str = "CHARM_TEST_KILLED_DEATH";

pub(super) struct To(pub(super) String);

impl Destination for To {
    fn name(&self) -> &'static str {
        "killed"
    }

    fn identity(&self) -> String {
        "killed".to_owned()
    }

    fn limits(&self) -> Limits {
        Limits { max_items: 7, linger: Duration::from_millis(1), ..Limits::default() }
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        Ok(Body::json(join(items)))
    }

    fn encoding(&self) -> Encoding {
        Encoding::Identity
    }

    fn request(&self, _: &Sending<'_>) -> Request {
        Request::post(&self.0)
    }
}

pub(super) fn config(dir: &str) -> DeliveryConfig {
    DeliveryConfig {
        first_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(5),
        spool: SpoolConfig::in_dir(dir),
        tell: Some(Arc::new(|_| {})),
        ..DeliveryConfig::default()
    }
}

#[test]
fn no_batch_that_was_spooled_is_lost_and_every_start_succeeds_when_processes_are_killed() {
    if let Ok(url) = std::env::var(CHILD_URL) {
        child(url);
    }
    println!("seed {SEED}");
    let mut random = Random::seeded(SEED);
    let dir = tempfile::tempdir().unwrap();
    let receiver = ReceiverDouble::start();
    let taken = Arc::new(Mutex::new(BTreeSet::new()));
    accept_some(&receiver, &taken, random.next());
    let mut settled = Vec::new();
    for round in 0..ROUNDS {
        let patience = Duration::from_micros(random.next() % 60_000);
        settled.push(run_and_kill(&receiver, dir.path().to_str().unwrap(), round, patience));
    }
    let total = finish(&receiver, dir.path().to_str().unwrap(), &taken, &settled);
    assert!(
        total > ROUNDS,
        "only {total} items were settled: the processes were killed too early to show anything"
    );
    println!("{total} items were settled in {ROUNDS} processes, {} arrived", taken.lock().unwrap().len());
}

/// Every step that changes the disk, and at each of them a process that dies before and after it.
#[test]
fn a_process_that_dies_at_any_step_on_the_disk_leaves_a_spool_that_the_next_one_uses() {
    for (name, step) in Death::STEPS {
        let (mut died, mut round) = (0, 0);
        let dir = tempfile::tempdir().unwrap();
        let receiver = ReceiverDouble::start();
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let mut settled = Vec::new();
        for nth in if step == Step::CreateDir { [1, 2, 2] } else { [1, 2, 5] } {
            for moment in ["before", "after"] {
                accept_some(&receiver, &taken, SEED + round);
                let mut child = start(
                    &receiver,
                    dir.path().to_str().unwrap(),
                    round,
                    Some(&format!("{name} {nth} {moment}")),
                );
                let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
                settled.push(last_settled(lines.map_while(Result::ok)));
                died += u64::from(child.0.wait().unwrap().signal() == Some(Signal::KILL.as_raw()));
                round += 1;
            }
        }
        assert_eq!(died, round, "{name} ({step:?}): every process came to its step");
        finish(&receiver, dir.path().to_str().unwrap(), &taken, &settled);
    }
}

/// Runs a process for a moment after its first word, and returns how many items it said were safe.
fn run_and_kill(receiver: &ReceiverDouble, dir: &str, round: u64, patience: Duration) -> u64 {
    let mut child = start(receiver, dir, round, None);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let started = lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("started"));
    assert!(started, "round {round}: the start failed");
    std::thread::sleep(patience);
    drop(child);
    last_settled(lines.map_while(Result::ok))
}

/// Runs this test once more, as the child.
fn start(receiver: &ReceiverDouble, dir: &str, round: u64, death: Option<&str>) -> Killed {
    let test = "delivery::tests::killed::no_batch_that_was_spooled_is_lost_and_every_start_succeeds_when_processes_are_killed";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
        .env(CHILD_URL, receiver.url("/"))
        .env(CHILD_DIR, dir)
        .env(CHILD_FIRST, (round * ITEMS_OF_ONE).to_string())
        .envs(death.map(|death| (CHILD_DEATH, death)));
    Killed(command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap())
}

fn last_settled(lines: impl Iterator<Item = String>) -> u64 {
    lines.filter_map(|line| line.strip_prefix("settled ")?.parse().ok()).last().unwrap_or(0)
}

/// Delivers what is left, and compares it with what each round said was safe. Returns the sum of that.
fn finish(receiver: &ReceiverDouble, dir: &str, taken: &Arc<Mutex<BTreeSet<u64>>>, settled: &[u64]) -> u64 {
    // From now on everything is taken.
    accept_all(receiver, taken);
    let last = Delivery::start(To(receiver.url("/")), config(dir)).unwrap();
    let fresh = settled.len() as u64 * ITEMS_OF_ONE;
    last.send(Item::new(payload(fresh).into_bytes()));
    let report = last.shutdown(Duration::from_mins(1));
    assert_eq!(report.outcomes.spooled + report.outcomes.dropped.total(), 0, "{report}");
    let taken = taken.lock().unwrap();
    let mut total = 0;
    for (round, &settled) in (0..).zip(settled) {
        let first = round * ITEMS_OF_ONE;
        let missing: Vec<_> = (first..first + settled).filter(|number| !taken.contains(number)).collect();
        assert!(
            missing.is_empty(),
            "round {round}: {settled} were delivered or spooled, without {missing:?}"
        );
        total += settled;
    }
    assert!(taken.contains(&fresh), "a fresh item passes");
    total
}

/// Kills its process, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The child: hands over items and says how many are safe, until it is killed, or for half a minute.
fn child(url: String) -> ! {
    let first: u64 = std::env::var(CHILD_FIRST).unwrap().parse().unwrap();
    let config = config(&std::env::var(CHILD_DIR).unwrap());
    let handle = match std::env::var(CHILD_DEATH) {
        Ok(death) => start_dying(To(url), config, Death::read(&death)),
        Err(_) => Delivery::start(To(url), config).unwrap(),
    };
    println!("\nstarted");
    for number in first..first + 30_000 {
        handle.send(Item::new(payload(number).into_bytes()));
        let mut outcomes = handle.report().outcomes;
        if number % 8 == 0 {
            // A moment in which nothing is in memory comes soon: what is not delivered is spooled.
            let _ = (0..100).any(|_| {
                std::thread::sleep(Duration::from_micros(200));
                outcomes = handle.report().outcomes;
                outcomes.pending == 0
            });
        }
        assert_eq!(outcomes.dropped.total(), 0);
        // Only now is it known which ones are safe, and not only how many: later items may come to the disk before
        // those on their way.
        if outcomes.pending == 0 {
            println!("settled {}", outcomes.accepted);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::process::exit(1);
}

/// As [`Delivery::start`], on a disk that kills.
fn start_dying(destination: To, config: DeliveryConfig, death: Death) -> DeliveryHandle {
    let world = World {
        transport: Arc::new(HttpTransport::shared().unwrap()),
        file_system: Arc::new(DyingDisk::new(death)),
        random: Random::new(),
        wall: Arc::new(SystemTime::now),
    };
    let engine = Engine::new(Arc::new(destination), config, world).unwrap();
    let handle = DeliveryHandle::new(engine.shared().clone());
    runtime::shared().unwrap().spawn(engine.run());
    handle
}

/// Takes a third of all requests, refuses a third, and breaks the rest.
fn accept_some(receiver: &ReceiverDouble, taken: &Arc<Mutex<BTreeSet<u64>>>, seed: u64) {
    let (taken, random) = (taken.clone(), Mutex::new(Random::seeded(seed)));
    receiver.answer_with(move |request| match random.lock().unwrap().next() % 3 {
        0 => {
            take(&taken, &request.json());
            Answer::new(200)
        }
        1 => Answer::new(503),
        _ => Answer::reset(),
    });
}

pub(super) fn accept_all(receiver: &ReceiverDouble, taken: &Arc<Mutex<BTreeSet<u64>>>) {
    let taken = taken.clone();
    receiver.answer_with(move |request| {
        take(&taken, &request.json());
        Answer::new(200)
    });
}

fn take(taken: &Mutex<BTreeSet<u64>>, items: &serde_json::Value) {
    for item in items.as_array().unwrap() {
        let number = item["id"].as_u64().unwrap();
        assert_eq!(item, &serde_json::from_str::<serde_json::Value>(&payload(number)).unwrap());
        taken.lock().unwrap().insert(number);
    }
}
