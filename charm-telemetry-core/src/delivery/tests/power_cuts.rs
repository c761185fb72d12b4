//! A spool that ends between any two steps, with the process or with the power.
//!
//! Rule: what was stored is there at the next start, whole, wherever it ended; a power cut may bring back what was deleted,
//! a crash may not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::bench::item;
use super::simulated_disk::{Change, SimulatedDisk};
use crate::delivery::backoff::Random;
use crate::delivery::{Item, SpoolConfig};
use crate::spool::{Spool, SpoolSettings, Stored};

const SEED: u64 = 20_261_122;
/// Random subsets of what was not durable, for each place of a cut.
const SUBSETS: usize = 40;

/// What must be there, and what must not, from this place of the log on.
#[derive(Clone, Debug, Default)]
struct Mark {
    at: usize,
    stored: BTreeSet<u64>,
    /// Delivered, and its file deleted.
    done: BTreeSet<u64>,
}

/// A life of a spool, with marks.
struct Life {
    disk: SimulatedDisk,
    spool: Spool,
    marks: Vec<Mark>,
    sequence: u64,
}

fn spool_on(disk: &SimulatedDisk) -> Spool {
    let settings = SpoolSettings {
        config: SpoolConfig::in_dir("/home/me/state"),
        destination: "double".to_owned(),
        identity: 7,
        address: "http://double".to_owned(),
        names_losses: true,
    };
    Spool::new(Arc::new(disk.clone()), settings)
}

impl Life {
    fn on(disk: SimulatedDisk) -> Self {
        Self { spool: spool_on(&disk), disk, marks: vec![Mark::default()], sequence: 0 }
    }

    /// From here on; what is stored counts when the step that stores it is done, what is done already when it begins.
    fn mark(&mut self, change: impl FnOnce(&mut Mark)) {
        let mut mark = self.marks.last().expect("there is always one").clone();
        mark.at = self.disk.log().len();
        change(&mut mark);
        self.marks.push(mark);
    }

    fn store(&mut self, numbers: std::ops::Range<u64>) {
        self.sequence += 1;
        let items: Vec<Item> = numbers.clone().map(item).collect();
        let batch = Stored { sequence: self.sequence, batch_id: [1; 16], items: &items, wall: now() };
        self.spool.store(&batch).unwrap();
        self.mark(|mark| mark.stored.extend(numbers));
    }

    /// Delivers the oldest batch, but for its last items.
    fn deliver(&mut self, but: usize) {
        let loaded = self.spool.load_first().unwrap().ok().unwrap();
        let (gone, left) = loaded.items.split_at(loaded.items.len() - but);
        let gone: BTreeSet<u64> = gone.iter().map(number).collect();
        self.mark(|mark| mark.stored.retain(|number| !gone.contains(number)));
        if left.is_empty() {
            self.spool.remove(loaded.key);
        } else {
            self.spool.replace(loaded.key, [2; 16], left).unwrap();
            self.spool.put_down();
        }
        self.mark(|mark| mark.done.extend(gone));
    }
}

fn now() -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

fn number(item: &Item) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(item.bytes()).expect("items are whole");
    json["id"].as_u64().unwrap()
}

/// Stores, delivers in parts and whole, and takes over what an earlier life has left.
fn two_lives() -> (Vec<Change>, Vec<Mark>) {
    let disk = SimulatedDisk::default();
    let mut first = Life::on(disk.clone());
    first.store(0..5);
    first.store(5..8);
    first.deliver(2);
    first.store(8..12);
    let (marks, spool) = (first.marks, first.spool);
    // A killed process runs no destructor. Its locks go.
    std::mem::forget(spool);
    disk.unlock();
    let mut second = Life { marks, ..Life::on(disk.clone()) };
    second.spool.adopt(now(), || false).unwrap();
    second.store(12..15);
    second.deliver(0);
    second.deliver(1);
    second.deliver(0);
    second.store(15..17);
    second.deliver(0);
    drop(second.spool);
    (disk.log(), second.marks)
}

/// What a disk is after some changes, with the rules of what is durable.
#[derive(Clone, Default)]
struct Platter {
    contents: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
}

/// A change of a directory.
#[derive(Clone, Debug)]
enum Entry {
    Name(PathBuf, usize),
    Move(PathBuf, PathBuf, usize),
    Gone(PathBuf),
    Dir(PathBuf),
    NoDir(PathBuf),
}

impl Entry {
    fn parent(&self) -> Option<&Path> {
        match self {
            Self::Name(path, _)
            | Self::Move(_, path, _)
            | Self::Gone(path)
            | Self::Dir(path)
            | Self::NoDir(path) => path.parent(),
        }
    }
}

impl Platter {
    fn apply(&mut self, entry: &Entry) {
        match entry.clone() {
            Entry::Name(path, file) => drop(self.names.insert(path, file)),
            Entry::Move(from, to, file) => {
                self.names.remove(&from);
                self.names.insert(to, file);
            }
            Entry::Gone(path) => drop(self.names.remove(&path)),
            Entry::Dir(path) => drop(self.dirs.insert(path)),
            Entry::NoDir(path) => drop(self.dirs.remove(&path)),
        }
    }

    /// As the next start finds it: nothing is in a directory that is not there.
    fn disk(&self) -> SimulatedDisk {
        let there = |path: &Path| {
            path.ancestors().skip(1).all(|dir| dir == Path::new("/") || self.dirs.contains(dir))
        };
        let files = self.names.iter().filter(|(path, _)| there(path));
        let files = files.map(|(path, &file)| (path.clone(), self.contents[file].clone())).collect();
        SimulatedDisk::with(files, self.dirs.iter().filter(|dir| there(dir)).cloned().collect())
    }
}

/// The directory entries that were made, the contents, and which of both are durable.
struct Made {
    entries: Vec<(Entry, bool)>,
    contents: Vec<(Vec<u8>, bool)>,
}

impl Made {
    fn by(log: &[Change]) -> Self {
        let mut made = Self { entries: Vec::new(), contents: Vec::new() };
        let mut live: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for change in log.iter().cloned() {
            let entry = match change {
                Change::CreateDir(path) => Entry::Dir(path),
                Change::RemoveDir(path) => Entry::NoDir(path),
                Change::Write(path, bytes) => {
                    made.contents.push((bytes, false));
                    live.insert(path.clone(), made.contents.len() - 1);
                    Entry::Name(path, made.contents.len() - 1)
                }
                Change::Rename(from, to) => {
                    let file = live.remove(&from).unwrap();
                    live.insert(to.clone(), file);
                    Entry::Move(from, to, file)
                }
                Change::Remove(path) => {
                    live.remove(&path);
                    Entry::Gone(path)
                }
                Change::Sync(path) => {
                    made.contents[live[&path]].1 = true;
                    continue;
                }
                Change::SyncDir(dir) => {
                    let here = made.entries.iter_mut().filter(|(entry, _)| entry.parent() == Some(&dir));
                    here.for_each(|(_, durable)| *durable = true);
                    continue;
                }
            };
            made.entries.push((entry, false));
        }
        made
    }

    /// All of it: the process has ended, not the system.
    fn crashed(&self) -> SimulatedDisk {
        let mut platter = Platter {
            contents: self.contents.iter().map(|(bytes, _)| bytes.clone()).collect(),
            ..Platter::default()
        };
        self.entries.iter().for_each(|(entry, _)| platter.apply(entry));
        platter.disk()
    }

    /// What is durable, and of the rest what `keeps` says; contents that were not synced are cut, or zeros.
    fn cut(&self, keeps: &mut impl FnMut() -> bool) -> SimulatedDisk {
        let mut spoil = |bytes: &Vec<u8>| match (keeps(), keeps()) {
            (true, true) => bytes.clone(),
            (true, false) => bytes[..bytes.len() / 2].to_vec(),
            (false, true) => vec![0; bytes.len()],
            (false, false) => Vec::new(),
        };
        let contents =
            self.contents.iter().map(|(bytes, synced)| if *synced { bytes.clone() } else { spoil(bytes) });
        let mut platter = Platter { contents: contents.collect(), ..Platter::default() };
        self.entries
            .iter()
            .filter(|(_, durable)| *durable || keeps())
            .for_each(|(entry, _)| platter.apply(entry));
        platter.disk()
    }
}

/// Every item that the next start finds, and whether it can store more.
fn recovered(disk: &SimulatedDisk) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut spool = spool_on(disk);
    spool.adopt(now(), || false).unwrap();
    for _ in 0..100 {
        match spool.load_first() {
            None => break,
            Some(Err(_)) => {}
            Some(Ok(loaded)) => {
                found.extend(loaded.items.iter().map(number));
                spool.remove(loaded.key);
            }
        }
    }
    let items = [item(999)];
    spool.store(&Stored { sequence: 1, batch_id: [3; 16], items: &items, wall: now() }).unwrap();
    assert_eq!(spool.load_first().unwrap().ok().unwrap().items, items, "a fresh batch passes");
    found
}

fn mark_at(marks: &[Mark], at: usize) -> &Mark {
    marks.iter().rev().find(|mark| mark.at <= at).expect("the first is at the beginning")
}

/// Fails if an item that must be there is not. `step` is the one before which it ended.
#[track_caller]
fn check(found: &BTreeSet<u64>, mark: &Mark, how: &str, at: usize, step: Option<&Change>) {
    assert!(
        mark.stored.is_subset(found),
        "{how} at {at}, before {step:?}: {found:?}, but {:?} were stored",
        mark.stored
    );
    assert!(found.iter().all(|&number| number < 17), "{how} at {at}: nothing is invented");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_before_any_step_leaves_every_stored_batch_and_nothing_that_was_delivered() {
    let (log, marks) = two_lives();
    for at in 0..=log.len() {
        let mark = mark_at(&marks, at);
        let found = recovered(&Made::by(&log[..at]).crashed());
        check(&found, mark, "crash", at, log.get(at));
        assert!(
            found.is_disjoint(&mark.done),
            "crash at {at}, before {:?}: {found:?} came back",
            log.get(at)
        );
        let Some(Change::Write(path, bytes)) = log.get(at) else { continue };
        for length in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            let torn = Change::Write(path.clone(), bytes[..length].to_vec());
            let log: Vec<_> = log[..at].iter().cloned().chain([torn]).collect();
            check(&recovered(&Made::by(&log).crashed()), mark, "torn write", at, None);
        }
    }
    let kinds: BTreeSet<_> =
        log.iter().map(|change| format!("{change:?}").split('(').next().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 7, "every kind of step occurs: {kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_before_any_step_leaves_every_stored_batch_whatever_else_reached_the_disk() {
    println!("seed {SEED}");
    let (log, marks) = two_lives();
    let mut random = Random::seeded(SEED);
    for at in 0..=log.len() {
        let (made, mark) = (Made::by(&log[..at]), mark_at(&marks, at));
        check(&recovered(&made.cut(&mut || false)), mark, "only what is durable", at, log.get(at));
        check(&recovered(&made.cut(&mut || true)), mark, "all that was written", at, log.get(at));
        for _ in 0..SUBSETS {
            let found = recovered(&made.cut(&mut || random.next().is_multiple_of(2)));
            check(&found, mark, "some of it", at, log.get(at));
        }
    }
}
