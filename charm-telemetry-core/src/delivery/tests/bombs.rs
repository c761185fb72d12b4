//! Answers that are small on the wire and would fill the memory if anybody opened them.
//!
//! Rule: what they cost is measured in a process that does nothing else, with the real client.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};

use super::bench::{join, payload};
use crate::delivery::{
    Body, Delivery, DeliveryConfig, Destination, EncodeError, Encoding, Item, Limits, MAX_RESPONSE_BYTES,
    Request, Sending,
};
use crate::testing::{Answer, ReceiverDouble};

const CHILD_URL: &str = "CHARM_TEST_BOMBS_URL";
const PATIENCE: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;
/// How many answers of each kind.
const ANSWERS: u64 = 50;

struct To(String);

impl Destination for To {
    fn name(&self) -> &'static str {
        "bombed"
    }

    fn identity(&self) -> String {
        self.0.clone()
    }

    fn limits(&self) -> Limits {
        Limits { max_items: 1, linger: Duration::ZERO, ..Limits::default() }
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

/// A gzip file of so many times one mebibyte of zeros, of which each has the same kilobyte.
fn gzip_bomb(mebibytes: u32) -> Vec<u8> {
    let zeros = vec![0; MIB];
    let mut block = Vec::with_capacity(MIB);
    // A full flush ends at a byte and forgets what was before: the same bytes may follow again.
    Compress::new(Compression::best(), false).compress_vec(&zeros, &mut block, FlushCompress::Full).unwrap();
    let (mut one, mut checksum) = (crc32fast::Hasher::new(), crc32fast::Hasher::new());
    one.update(&zeros);
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
    for _ in 0..mebibytes {
        bomb.extend(&block);
        checksum.combine(&one);
    }
    // An empty last block, the checksum, and the length.
    bomb.extend([3, 0]);
    bomb.extend(checksum.finalize().to_le_bytes());
    bomb.extend((mebibytes * (1 << 20)).to_le_bytes());
    bomb
}

/// A Zstandard frame of so many times 128 KiB of zeros, of which each has four bytes.
fn zstd_bomb(blocks: usize) -> Vec<u8> {
    const REPEATED: u32 = 1 << 1;
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    for block in 1..=blocks {
        let header = ((128 * 1024) << 3) | REPEATED | u32::from(block == blocks);
        bomb.extend(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    bomb
}

/// How much is in a bomb.
fn opened(mut decoder: impl Read) -> usize {
    let mut zeros = Vec::new();
    decoder.read_to_end(&mut zeros).unwrap();
    zeros.len()
}

#[test]
fn a_bomb_of_a_gigabyte_is_not_opened_and_memory_stays_flat() {
    if let Ok(url) = std::env::var(CHILD_URL) {
        child(&url);
    }
    let (gzip, zstd) = (gzip_bomb(1100), zstd_bomb(16_000));
    assert!(zstd.len() < MAX_RESPONSE_BYTES, "{} bytes: all of it is read", zstd.len());
    // They are what they say: small ones of the same make are opened.
    assert_eq!(opened(flate2::read::GzDecoder::new(&*gzip_bomb(3))), 3 * MIB);
    assert_eq!(opened(ruzstd::decoding::StreamingDecoder::new(&*zstd_bomb(24)).unwrap()), 3 * MIB);
    println!("gzip: {} bytes for 1100 MiB, zstd: {} bytes for 2000 MiB", gzip.len(), zstd.len());
    let answers = [
        ("gzip", Answer::new(200).header("Content-Encoding", "gzip").body(gzip)),
        ("zstd", Answer::new(200).header("Content-Encoding", "zstd").body(zstd.clone())),
        ("refused with zstd", Answer::new(503).header("Content-Encoding", "zstd").body(zstd)),
        ("endless", Answer::endless(200)),
    ];
    for (name, bomb) in answers {
        let (receiver, bombed) = (ReceiverDouble::start(), Mutex::new(BTreeSet::new()));
        receiver.answer_with(move |request| {
            assert_eq!(request.header("accept-encoding"), None, "nobody asks for it");
            let number = request.json()[0]["id"].as_u64().unwrap();
            assert_eq!(request.body, format!("[{}]", payload(number)).into_bytes());
            // The first ones show what it costs without a bomb, the last one that it goes on.
            let is_bombed = (ANSWERS..2 * ANSWERS).contains(&number) && bombed.lock().unwrap().insert(number);
            if is_bombed { bomb.clone() } else { Answer::new(200).body("{}") }
        });
        let grown = run_child(&receiver.url("/"), name);
        println!("{name}: {ANSWERS} answers, the peak of the memory rose by {grown} KiB");
        assert!(grown < 4 * 1024, "{name}: {grown} KiB");
    }
}

/// Runs this test once more, as the child. Returns by how much the peak of its memory rose by the bombs, in KiB.
fn run_child(url: &str, name: &str) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "delivery::tests::bombs::a_bomb_of_a_gigabyte_is_not_opened_and_memory_stays_flat";
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD_URL, url);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let grown = said.lines().find_map(|line| line.strip_prefix("grown ")?.parse().ok());
    grown.unwrap_or_else(|| panic!("{name}: the child said `{said}`"))
}

fn child(url: &str) -> ! {
    let config = DeliveryConfig {
        first_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(1),
        tell: Some(Arc::new(|_| {})),
        ..DeliveryConfig::default()
    };
    let handle = Delivery::start(To(url.to_owned()), config).unwrap();
    let send = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| assert!(handle.send(Item::new(payload(number).into_bytes()))));
    };
    send(0..ANSWERS);
    assert!(handle.flush(PATIENCE));
    let before = peak_kib();
    send(ANSWERS..2 * ANSWERS);
    assert!(handle.flush(PATIENCE));
    let grown = peak_kib() - before;
    send(2 * ANSWERS..2 * ANSWERS + 1);
    let report = handle.shutdown(PATIENCE);
    assert_eq!(report.outcomes.delivered, 2 * ANSWERS + 1, "{report}");
    let mut out = std::io::stdout().lock();
    writeln!(out, "\ngrown {grown}").unwrap();
    out.flush().unwrap();
    std::process::exit(0);
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
