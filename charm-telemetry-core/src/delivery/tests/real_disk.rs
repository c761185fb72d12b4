//! The spool on a real disk, seen from outside.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::bench::{HOUR, Receiver, Setup, item};
use super::killed::{To, config};
use crate::delivery::Delivery;
use crate::spool::{SpoolStatus, list, purge};

#[tokio::test(start_paused = true)]
async fn files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Setup::spooling(dir.path()).start(&Receiver::always(503));
    bench.send(0..25);
    bench.until(HOUR, |outcomes| outcomes.spooled == 25).await;
    for file in list(dir.path()).unwrap() {
        assert_eq!(file.path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        let parent = file.path.parent().unwrap();
        assert_eq!(parent.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[tokio::test(start_paused = true)]
async fn a_spool_is_listed_and_purged_but_not_under_a_process_that_lives() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(list(dir.path()).unwrap(), []);
    let bench = Setup::spooling(dir.path()).start(&Receiver::always(503));
    bench.send(0..25);
    bench.until(HOUR, |outcomes| outcomes.spooled == 25).await;
    let files = list(dir.path()).unwrap();
    assert_eq!(files.iter().map(|file| file.items).sum::<u64>(), 25);
    assert!(
        files
            .iter()
            .all(|file| file.in_use && file.status == SpoolStatus::Waiting && file.destination == "double")
    );
    assert_eq!(purge(dir.path(), |_| true).unwrap(), [], "it is in use");
    bench.shutdown(Duration::from_secs(1)).await;
    let files = list(dir.path()).unwrap();
    assert!(files.iter().all(|file| !file.in_use));
    let first = files[0].path.clone();
    assert_eq!(purge(dir.path(), |file| file.path == first).unwrap().len(), 1);
    assert_eq!(list(dir.path()).unwrap().len(), files.len() - 1);
    purge(dir.path(), |_| true).unwrap();
    assert_eq!(list(dir.path()).unwrap(), []);
    assert_eq!(
        std::fs::read_dir(dir.path().join("spool/double")).unwrap().count(),
        0,
        "no empty directories stay"
    );
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_may_not_be_entered_means_memory_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("spool"), "a file where a directory should be").unwrap();
    let receiver =
        Receiver::new(|_, at| Ok(crate::delivery::Response::new(if at < HOUR { 503 } else { 200 })));
    let bench = Setup::spooling(dir.path()).start(&receiver);
    bench.send(0..25);
    bench.until_done(2 * HOUR).await;
    assert_eq!(receiver.taken().len(), 25);
}

#[test]
fn when_a_shutdown_returns_its_spool_is_free_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    for start in 0..30 {
        // Nobody listens there.
        let destination = To("http://127.0.0.1:1/".to_owned());
        let delivery = Delivery::start(destination, config(dir.path().to_str().unwrap())).unwrap();
        delivery.send(item(start));
        let report = delivery.shutdown(Duration::from_secs(20));
        assert_eq!((report.outcomes.adopted, report.outcomes.spooled), (start, start + 1), "{report}");
        assert!(list(dir.path()).unwrap().iter().all(|file| !file.in_use), "start {start}");
    }
}
