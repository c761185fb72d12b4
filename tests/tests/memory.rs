//! The `unsafe` code of the house under valgrind: no byte is read that was not written, none is lost.
//!
//! Rule: the real program does the work; what it says is checked as well, so that it did some.

use std::fs;
use std::process::Command;

use charm_telemetry_tests::{binaries, requires, workspace};

/// What valgrind answers if it has found something.
const FOUND: &str = "--error-exitcode=99";

/// The positions of `charm.yaml` come from a parser in C's manner.
#[test]
fn reading_broken_manifests_touches_no_foreign_memory() {
    let Some(valgrind) = requires::program("valgrind") else { return };
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let manifests = workspace::root().join("charm-telemetry-core/tests/data/manifests/broken");
    let mut paths: Vec<_> =
        manifests.read_dir().expect("there are some").map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    // Every fourth: each start of valgrind takes a second.
    for path in paths.iter().step_by(4) {
        let copy = scratch.path().join("charm.yaml");
        fs::copy(path, &copy).expect("it can be copied");
        let mut command = Command::new(&valgrind);
        command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite", FOUND]);
        let output = command.arg(binaries::runner()).arg("validate").arg(&copy).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{}: {said}", path.display());
        assert!(said.contains("charm.yaml"), "{}: {said}", path.display());
    }
}

/// Starting an agent runs code between `fork` and `exec`.
#[test]
fn running_an_agent_touches_no_foreign_memory() {
    let Some(valgrind) = requires::program("valgrind") else { return };
    let mut command = Command::new(&valgrind);
    command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite", FOUND]);
    command.arg(binaries::runner()).args(["run", "tests/agents/streamed", "--json", r#"{"input":"hi"}"#]);
    let output = command.current_dir(workspace::root()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""type":"delta""#), "{said}");
}
