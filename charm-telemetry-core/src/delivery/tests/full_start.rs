//! A start before a gigabyte of spool.
//!
//! Rule: what a start reads grows with the number of the files, never with their size.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::idle::{batches, dead_endpoint, wait_until};
use super::killed::{To, config};
use crate::delivery::backoff::Random;
use crate::delivery::engine::Engine;
use crate::delivery::runtime;
use crate::delivery::start::World;
use crate::delivery::transport::HttpTransport;
use crate::delivery::{Delivery, DeliveryHandle, Item};
use crate::spool::{FileSystem, Guard, RealFileSystem};

const FILES: u64 = 4096;
const ITEMS: u64 = 7;
const FILE_BYTES: u64 = 256 * 1024;
/// A file says in its first bytes of whom and how many it is.
const MOST_OF_A_HEADER: u64 = 64;

/// Until this thread looks again.
const MOST_TRIES: u64 = 64;

/// The real disk, which counts what is read of batches.
#[derive(Default)]
struct CountingDisk {
    reads: AtomicU64,
    bytes: AtomicU64,
}

#[test]
fn a_start_before_a_gigabyte_of_spool_reads_no_more_than_the_beginning_of_each_file() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let disk = Arc::new(CountingDisk::default());
    let started = Instant::now();
    let delivery = start(dir.path(), disk.clone());
    wait_until(|| delivery.report().outcomes.adopted > 0);
    println!("{:?} until {FILES} files of {FILE_BYTES} bytes were adopted", started.elapsed());
    assert_eq!(delivery.report().outcomes.adopted, FILES * ITEMS);
    // When that can be seen, the first batch may have been read, too, and tried more than once: as a whole, to be sent.
    let (reads, bytes) = (disk.reads.load(Ordering::Relaxed), disk.bytes.load(Ordering::Relaxed));
    assert!((FILES..=FILES + MOST_TRIES).contains(&reads), "{reads} files were read");
    assert!(bytes <= FILES * MOST_OF_A_HEADER + MOST_TRIES * FILE_BYTES, "{bytes} bytes were read");
    delivery.shutdown(Duration::ZERO);
}

/// One batch under many names: to whom looks at them they are as many files.
fn fill(dir: &Path) {
    let delivery = Delivery::start(To(dead_endpoint()), config(dir.to_str().unwrap())).unwrap();
    for _ in 0..ITEMS {
        delivery.send(Item::new(vec![b'x'; usize::try_from(FILE_BYTES / ITEMS).unwrap()]));
    }
    assert_eq!(delivery.shutdown(Duration::from_secs(5)).outcomes.spooled, ITEMS);
    let first = batches(dir).remove(0);
    let name = |number: u64| -> PathBuf { first.with_file_name(format!("{number:020}-{ITEMS}.batch")) };
    for number in 1_001..1_000 + FILES {
        std::fs::hard_link(&first, name(number)).unwrap();
    }
    assert_eq!(batches(dir).len() as u64, FILES);
}

fn start(dir: &Path, disk: Arc<CountingDisk>) -> DeliveryHandle {
    let mut config = config(dir.to_str().unwrap());
    config.spool.max_bytes = 2 << 30;
    let world = World {
        transport: Arc::new(HttpTransport::shared().unwrap()),
        file_system: disk,
        random: Random::seeded(1),
        wall: Arc::new(SystemTime::now),
    };
    let engine = Engine::new(Arc::new(To(dead_endpoint())), config, world).unwrap();
    let handle = DeliveryHandle::new(engine.shared().clone());
    runtime::shared().unwrap().spawn(engine.run());
    handle
}

impl FileSystem for CountingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealFileSystem.create_dir(path)
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        RealFileSystem.write_synced(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFileSystem.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealFileSystem.sync_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealFileSystem.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealFileSystem.remove_dir(path)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let read = RealFileSystem.read(path, most);
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(read.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
        read
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, u64)>> {
        RealFileSystem.list(path)
    }

    fn lock(&self, path: &Path, note: &str) -> io::Result<Option<Guard>> {
        RealFileSystem.lock(path, note)
    }

    fn is_locked_by(&self, guard: &Guard, path: &Path) -> bool {
        RealFileSystem.is_locked_by(guard, path)
    }
}
