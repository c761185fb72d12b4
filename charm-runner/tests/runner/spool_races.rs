//! Two runners that start at once and find the same orphaned batches.
//! The one rule: every batch arrives once, from one of them, and both end well.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::network::Receiver;
use crate::project::{Done, Project, Running};
use crate::spool::{batches, ids_in, listed, project, run};

/// Rounds of each pair.
const ROUNDS: usize = 9;

const SEND: &[&str] = &["spool", "send"];
const RUN: &[&str] = &["run", ".", "--telemetry-report=json"];

#[test]
fn of_two_runners_that_race_for_the_same_orphans_each_batch_is_sent_once_by_one() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver);
    // Two directories of two dead processes.
    run(&project, 2);
    let orphans: Vec<_> = batches(&project).iter().flat_map(|path| ids_in(path)).collect();
    assert!(orphans.len() >= 2, "{orphans:?}");
    let (state, kept) = (project.folder().join("state"), project.folder().join("kept"));
    std::fs::rename(&state, &kept).unwrap();
    receiver.open();

    let (mut payloads, mut winners) = (None, BTreeMap::new());
    for round in 0..ROUNDS {
        for pair in [[SEND, SEND], [RUN, RUN], [SEND, RUN]] {
            put_back(&kept, &state);
            let before = receiver.spans().len();
            let done = race(&project, pair);
            let arrived = receiver.spans().split_off(before);
            let what = format!("round {round} of {pair:?}");
            let adopted = done.map(|done| adopted(&done));
            assert_eq!(adopted.iter().sum::<u64>(), orphans.len() as u64, "{what}: {adopted:?}");
            *winners.entry(adopted).or_insert(0) += 1;

            let (old, fresh): (Vec<_>, Vec<_>) =
                arrived.into_iter().partition(|span| orphans.iter().any(|id| span["spanId"] == *id));
            let mut old: Vec<_> = old.iter().map(Value::to_string).collect();
            old.sort();
            assert_eq!(old.len(), orphans.len(), "{what}: each once");
            assert_eq!(payloads.get_or_insert_with(|| old.clone()), &old, "{what}: the same spans each time");
            let runs = pair.iter().filter(|arguments| **arguments == RUN).count();
            assert!(fresh.len() >= runs && (runs > 0 || fresh.is_empty()), "{what}: {fresh:#?}");
            assert_eq!(listed(&project)["waiting"], Value::Array(vec![]), "{what}");
            assert!(batches(&project).is_empty(), "{what}");
        }
    }
    println!("adopted by the first and the second, and how often: {winners:?}");
}

/// The orphans, as they were.
fn put_back(kept: &Path, state: &Path) {
    let _ = std::fs::remove_dir_all(state);
    assert!(Command::new("cp").arg("-a").args([kept, state]).status().unwrap().success());
}

/// Starts both at once, and sees both end well.
fn race(project: &Project, pair: [&[&str]; 2]) -> [Done; 2] {
    // Writes the manifest, which the first one may be reading already: so not in between.
    let mut commands = pair.map(|_| project.runner());
    let mut pair = commands.iter_mut().zip(pair);
    let running = [(); 2].map(|()| {
        let (command, arguments) = pair.next().expect("there are two");
        Running::start(command.args(arguments))
    });
    running.map(|running| running.finish().assert_status(0))
}

/// How many items of the orphans it took over, by its own account, which balances.
fn adopted(done: &Done) -> u64 {
    if let Some(report) = done.stderr.lines().rev().find_map(|line| line.strip_prefix("charm: {")) {
        let report: Value = serde_json::from_str(&format!("{{{report}")).unwrap();
        let outcomes = &report["deliveries"][0]["outcomes"];
        let number = |name: &str| outcomes[name].as_u64().unwrap();
        assert_eq!(number("adopted") + number("accepted"), number("delivered"), "{outcomes:#}");
        return number("adopted");
    }
    let words = done.stdout.split_whitespace().find_map(|word| word.strip_prefix("adopted="));
    words.map_or(0, |number| number.parse().unwrap())
}
