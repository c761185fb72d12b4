//! Does every command of README.md and the guides work as it stands there?
//!
//! Rule: nothing is told to type that no test has typed.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use charm_telemetry_core::DropReason;
use charm_telemetry_tests::doc_commands::{DocCommand, commands, documents};
use charm_telemetry_tests::requires::{self, Venv};
use charm_telemetry_tests::{binaries, process, workspace};

#[test]
fn every_command_of_the_documentation_ends_as_the_text_says() {
    let Some(venv) = requires::venv() else { return };
    let Some(_node) = requires::program("node") else { return };
    let problems: Vec<_> = documents().iter().flat_map(|document| run_all(document, &venv)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// One after the other in one folder, as a reader would.
fn run_all(document: &Path, venv: &Venv) -> Vec<String> {
    let commands = commands(document);
    let scratch = tempfile::tempdir().unwrap();
    let checkout = scratch.path().join("checkout");
    workspace::copy_folder(&workspace::root().join("examples"), &checkout.join("examples"));
    let bin = scratch.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["charm-runner", "charm"] {
        std::os::unix::fs::symlink(binaries::runner(), bin.join(name)).unwrap();
    }
    for package in commands.iter().filter_map(DocCommand::package).collect::<BTreeSet<_>>() {
        if !bin.join(package).exists() {
            std::os::unix::fs::symlink(binaries::build(package), bin.join(package)).unwrap();
        }
    }
    let here = commands.iter().filter(|command| command.run_elsewhere().is_none());
    here.filter_map(|command| problem(command, scratch.path(), venv)).collect()
}

fn problem(command: &DocCommand, scratch: &Path, venv: &Venv) -> Option<String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command.shell_line()).current_dir(scratch.join("checkout"));
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = [scratch.join("bin"), venv.bin()].into_iter().chain(std::env::split_paths(&rest));
    shell.env_clear().env("PATH", std::env::join_paths(folders).unwrap());
    shell.env("HOME", scratch).env("LANG", "C.UTF-8");
    let finished = process::run(shell, scratch);
    (finished.code != Some(command.code)).then(|| {
        format!(
            "{}: `{}` ended with {:?} instead of {}\n{}{}",
            command.place, command.line, finished.code, command.code, finished.stdout, finished.stderr
        )
    })
}

#[test]
fn the_guides_of_the_exporters_are_read_too() {
    let found = |name: &str| documents().iter().any(|path| path.ends_with(name));
    for name in ["README.md", "docs/run.md", "docs/exporters/datadog.md"] {
        assert!(found(name), "`{name}` is not read");
    }
    let datadog = commands(&workspace::root().join("docs/exporters/datadog.md"));
    assert!(!datadog.is_empty(), "it has a command to type");
}

#[test]
fn the_readme_has_the_two_commands_that_everything_begins_with() {
    let readme = commands(&workspace::root().join("README.md"));
    for start in ["cargo run --release -p charm-runner -- run examples/agents/hello", "cargo xtask test"] {
        assert!(readme.iter().any(|command| command.line.starts_with(start)), "no `{start}`");
    }
}

#[test]
fn every_reason_for_a_loss_stands_in_a_table_with_what_happened_and_the_way_out() {
    let text = std::fs::read_to_string(workspace::root().join("docs/delivery.md")).unwrap();
    let (_, after) = text.split_once("## Every reason for a loss").unwrap();
    let tables = after.split("\n## ").next().unwrap();
    for reason in DropReason::ALL {
        let row = format!("| `{reason}` | ");
        assert!(tables.lines().any(|line| line.starts_with(&row)), "no row for `{reason}`");
    }
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let unknown: Vec<_> =
        rows.filter(|row| !DropReason::ALL.iter().any(|reason| reason.name() == *row)).collect();
    assert_eq!(unknown, [""; 0], "rows of no reason");
}
