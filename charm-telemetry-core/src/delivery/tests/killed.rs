//! Processes that are killed at any moment.
//!
//! The test runs itself as a child, kills it, and starts the next one on the same spool.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::bench::{join, payload};
use super::dying_disk::{Death, DyingDisk};
use super::simulated_disk::Step;
use super::taken::{PROCESS, Taken, accept_all};
use crate::delivery::backoff::Random;
use crate::delivery::engine::Engine;
use crate::delivery::runtime;
use crate::delivery::start::World;
use crate::delivery::transport::HttpTransport;
use crate::delivery::{
    Body, Delivery, DeliveryConfig, DeliveryHandle, Destination, EncodeError, Encoding, Item, Limits,
    NoticeKind, Request, Sending, SpoolConfig,
};
use crate::testing::{Answer, ReceiverDouble};

const SEEDS: [u64; 3] = [1, 2, 3];
/// With each seed.
const ROUNDS: u64 = 70;
const MOST_IN_A_REQUEST: usize = 7;
/// The numbers of a process begin at its own, times this.
const ITEMS_OF_ONE: u64 = 1_000_000;
/// It does not live long enough to come to more.
const MOST_OF_ONE: u64 = 30_000;
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
        Limits { max_items: MOST_IN_A_REQUEST, linger: Duration::from_millis(1), ..Limits::default() }
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        Ok(Body::json(join(items)))
    }

    fn encoding(&self) -> Encoding {
        Encoding::Identity
    }

    fn request(&self, _: &Sending<'_>) -> Request {
        let process = std::env::var(CHILD_FIRST).unwrap_or_else(|_| "last".to_owned());
        Request::post(&self.0).header(PROCESS, process)
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
    for seed in SEEDS {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let dir = tempfile::tempdir().unwrap();
        let receiver = ReceiverDouble::start();
        let taken = Arc::default();
        accept_some(&receiver, &taken, random.next());
        let mut settled = Vec::new();
        for round in 0..ROUNDS {
            let patience = Duration::from_micros(random.next() % 60_000);
            settled.push(run_and_kill(&receiver, dir.path().to_str().unwrap(), round, patience));
        }
        let total = finish(&receiver, dir.path(), &taken, &settled);
        assert!(
            total > ROUNDS,
            "only {total} items were settled: the processes were killed too early to show anything"
        );
        let (arrived, twice) = (taken.numbers().len(), taken.duplicates());
        println!(
            "{total} items were settled in {ROUNDS} processes, {arrived} arrived, {twice} of them again"
        );
    }
}

/// Every step that changes the disk, and at each of them a process that dies before and after it.
#[test]
fn a_process_that_dies_at_any_step_on_the_disk_leaves_a_spool_that_the_next_one_uses() {
    for (name, step) in Death::STEPS {
        let (mut died, mut round) = (0, 0);
        let dir = tempfile::tempdir().unwrap();
        let receiver = ReceiverDouble::start();
        let taken = Arc::default();
        let mut settled = Vec::new();
        for nth in if step == Step::CreateDir { [1, 2, 2] } else { [1, 2, 5] } {
            for moment in ["before", "after"] {
                accept_some(&receiver, &taken, SEEDS[0] + round);
                let mut child = start(
                    &receiver,
                    dir.path().to_str().unwrap(),
                    round,
                    Some(&format!("{name} {nth} {moment}")),
                );
                let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
                settled.push(Words::read(lines.map_while(Result::ok)).settled_without_complaint());
                died += u64::from(child.0.wait().unwrap().signal() == Some(Signal::KILL.as_raw()));
                round += 1;
            }
        }
        assert_eq!(died, round, "{name} ({step:?}): every process came to its step");
        finish(&receiver, dir.path(), &taken, &settled);
    }
}

/// Runs a process for a moment after its first word, and returns how many items it said were safe.
fn run_and_kill(receiver: &ReceiverDouble, dir: &str, round: u64, patience: Duration) -> u64 {
    let mut child = start(receiver, dir, round, None);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let started = lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("started"));
    assert!(started, "round {round}: the start failed");
    std::thread::sleep(patience);
    assert_eq!(child.0.try_wait().unwrap(), None, "round {round}: it ended by itself");
    drop(child);
    Words::read(lines.map_while(Result::ok)).settled_without_complaint()
}

/// What a child said.
#[derive(Default)]
struct Words {
    settled: u64,
    complaints: Vec<String>,
}

impl Words {
    fn read(lines: impl Iterator<Item = String>) -> Self {
        let mut words = Self::default();
        for line in lines {
            if let Some(settled) = line.strip_prefix("settled ").and_then(|number| number.parse().ok()) {
                words.settled = settled;
            }
            words
                .complaints
                .extend(line.strip_prefix("told ").filter(|told| is_complaint(told)).map(str::to_owned));
        }
        words
    }

    /// A start of which the operator is told nothing but what the receiver did.
    #[track_caller]
    fn settled_without_complaint(self) -> u64 {
        assert_eq!(self.complaints, [""; 0]);
        self.settled
    }
}

fn is_complaint(told: &str) -> bool {
    ![NoticeKind::Retrying, NoticeKind::Recovered].iter().any(|kind| told.starts_with(&format!("{kind:?}")))
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

/// Delivers what is left, and compares it with what each round said was safe. Returns the sum of that.
fn finish(receiver: &ReceiverDouble, dir: &Path, taken: &Arc<Taken>, settled: &[u64]) -> u64 {
    accept_all(receiver, taken);
    let (mut config, told) = (config(dir.to_str().unwrap()), Arc::new(Mutex::new(Vec::new())));
    let kept = told.clone();
    config.tell = Some(Arc::new(move |notice| kept.lock().unwrap().push(notice.to_string())));
    let last = Delivery::start(To(receiver.url("/")), config).unwrap();
    let fresh = settled.len() as u64 * ITEMS_OF_ONE;
    last.send(Item::new(payload(fresh).into_bytes()));
    let report = last.shutdown(Duration::from_mins(1));
    assert_eq!(report.outcomes.spooled + report.outcomes.dropped.total(), 0, "{report}");
    assert_eq!(*told.lock().unwrap(), [""; 0]);
    let left = std::fs::read_dir(dir.join("spool/killed")).unwrap();
    assert_eq!(left.map(|entry| entry.unwrap().path()).collect::<Vec<_>>(), [""; 0].map(PathBuf::from));
    compare(taken, settled, fresh);
    settled.iter().sum()
}

/// What arrived against what was handed over and what was said to be safe.
fn compare(taken: &Taken, settled: &[u64], fresh: u64) {
    let numbers = taken.numbers();
    for (round, &settled) in (0..).zip(settled) {
        let first = round * ITEMS_OF_ONE;
        let missing: Vec<_> = (first..first + settled).filter(|number| !numbers.contains(number)).collect();
        assert!(
            missing.is_empty(),
            "round {round}: {settled} were delivered or spooled, without {missing:?}"
        );
    }
    assert!(numbers.contains(&fresh), "a fresh item passes");
    let is_issued =
        |number: &u64| *number == fresh || (*number < fresh && number % ITEMS_OF_ONE < MOST_OF_ONE);
    assert!(numbers.iter().all(is_issued), "nothing comes that nobody handed over");
    for (process, brought) in taken.by_process() {
        assert!(brought.is_sorted_by(|a, b| a < b), "{process}: in order, and nothing twice: {brought:?}");
    }
    let most = MOST_IN_A_REQUEST * settled.len();
    assert!(taken.duplicates() <= most, "a death repeats the request on its way: {}", taken.duplicates());
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
    let mut config = config(&std::env::var(CHILD_DIR).unwrap());
    config.tell = Some(Arc::new(|notice| println!("told {:?} {notice}", notice.kind)));
    let handle = match std::env::var(CHILD_DEATH) {
        Ok(death) => start_dying(To(url), config, Death::read(&death)),
        Err(_) => Delivery::start(To(url), config).unwrap(),
    };
    println!("\nstarted");
    for number in first..first + MOST_OF_ONE {
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
fn accept_some(receiver: &ReceiverDouble, taken: &Arc<Taken>, seed: u64) {
    let (taken, random) = (taken.clone(), Mutex::new(Random::seeded(seed)));
    receiver.answer_with(move |request| match random.lock().unwrap().next() % 3 {
        0 => {
            taken.take(request);
            Answer::new(200)
        }
        1 => Answer::new(503),
        _ => Answer::reset(),
    });
}
