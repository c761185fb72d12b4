//! `charm-runner spool list`: what it shows is what is in the files.
//! The one rule: the test counts in the files itself, and knows what it has damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::network::Receiver;
use crate::project::Project;
use crate::spool::{batches, ids_in, listed, project, run};

/// Magic, version, identity, id of the batch, then the time in milliseconds since 1970 and the number of items.
const CREATED: std::ops::Range<usize> = 34..42;
const HEADER: usize = 54;

/// A copy of a batch under this number, which tells a number of items, after a change of its bytes.
fn copy(batch: &Path, number: u64, said: u64, change: impl Fn(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = fs::read(batch).unwrap();
    change(&mut bytes);
    let path = batch.with_file_name(format!("{number:020}-{said}.batch"));
    fs::write(&path, bytes).unwrap();
    path
}

/// Makes a batch as old as it says, with a header that is whole.
fn age(bytes: &mut [u8], age: Duration) {
    let created = SystemTime::now().checked_sub(age).unwrap();
    let since_1970 = created.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    bytes[CREATED].copy_from_slice(&u64::try_from(since_1970.as_millis()).unwrap().to_le_bytes());
    let crc = crc32fast::hash(&bytes[..HEADER - 4]).to_le_bytes();
    bytes[HEADER - 4..HEADER].copy_from_slice(&crc);
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn batches_items_bytes_and_age_are_counted_in_the_files_whatever_their_names_say() {
    let receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    let batch = batches(&project).remove(0);
    let items = ids_in(&batch).len() as u64;
    copy(&batch, 11, 999, |_| {});
    copy(&batch, 12, 0, |bytes| age(bytes, Duration::from_hours(2)));
    let files = batches(&project);
    let list = listed(&project);
    let waiting = &list["waiting"][0];
    assert_eq!((&waiting["exporter"], number(&waiting["batches"])), (&"otlp".into(), 3));
    assert_eq!((number(&waiting["items"]), number(&waiting["damaged_items"])), (3 * items, 0), "{waiting:#}");
    let bytes: u64 = files.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(number(&waiting["bytes"]), bytes);
    let oldest = number(&waiting["oldest_seconds"]);
    assert!(
        (7200..7200 + 120).contains(&oldest),
        "by its own word, whatever the file's stamp says: {oldest}"
    );
    let words = project.call(&["spool", "list"]).assert_status(0).stdout;
    assert!(words.contains(&format!(" {} ", 3 * items)) && words.contains(" 2h "), "{words}");

    let left = project.call(&["spool", "send", "--deadline", "1s"]).assert_status(75);
    assert!(left.stderr.contains(&format!("{} items are left", 3 * items)), "{}", left.stderr);
    assert_eq!(batches(&project), files, "nothing was changed by looking");
}

#[test]
fn what_is_damaged_is_counted_apart_before_it_is_sent_and_after() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    let batch = batches(&project).remove(0);
    let items = ids_in(&batch).len() as u64;
    let hit = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    copy(&batch, 11, items, hit);
    copy(&batch, 12, 5, |bytes| bytes.truncate(20));
    copy(&batch, 13, 4, |bytes| *bytes = b"holiday pictures".to_vec());
    copy(&batch, 14, 3, Vec::clear);
    let expect = |waiting: &Value| {
        assert_eq!(number(&waiting["batches"]), 5, "{waiting:#}");
        assert_eq!(number(&waiting["items"]), items + (items - 1), "{waiting:#}");
        assert_eq!(number(&waiting["damaged_items"]), 1 + 5 + 4 + 3, "{waiting:#}");
    };
    expect(&listed(&project)["waiting"][0]);
    let words = project.call(&["spool", "list"]).assert_status(0).stdout;
    assert!(words.contains("(13 more items are damaged)"), "{words}");

    receiver.open();
    let done = project.call(&["spool", "send"]).assert_status(75);
    let whole = 2 * items - 1;
    assert!(done.stdout.contains(&format!("delivered={whole} spooled=0 dropped=13 corrupt=13")), "{done:?}");
    assert_eq!(receiver.spans().len() as u64, whole, "as many as were shown");
    let list = listed(&project);
    assert_eq!(list["waiting"], Value::Array(vec![]));
    let aside = list["set_aside"].as_array().unwrap();
    let shown =
        |file: &Value| (number(&file["items"]), number(&file["damaged_items"]), file["reason"].clone());
    let damaged = format!("it is damaged: {} of {items} items are whole", items - 1);
    assert_eq!(
        aside.iter().map(shown).collect::<Vec<_>>(),
        [
            (items - 1, 1, damaged.into()),
            (0, 5, "its header is damaged".into()),
            (0, 4, "it is not a batch".into()),
            (0, 3, "it is not a batch".into()),
        ]
    );
}

#[test]
fn looking_changes_nothing_not_even_a_lock() {
    let project = Project::shell("true").env("CHARM_STATE_DIR", "state");
    let dir = project.folder().join("state/spool/otlp/00000000000000ff.00000000000017-2a");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("00000000000000000001-3.batch"), "x").unwrap();
    assert_eq!(number(&listed(&project)["waiting"][0]["damaged_items"]), 3);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}
