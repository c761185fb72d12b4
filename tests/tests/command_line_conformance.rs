//! The same command lines to the reference and to ours.
//! One rule: the exit codes are those of the table in `docs/protocol.md`, on both sides.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use charm_telemetry_tests::requires::{self, Venv};
use charm_telemetry_tests::{binaries, process, workspace};

/// The line before the table.
const MARK: &str = "<!-- command lines: a test reads this table -->";

const FILES: &[(&str, &str)] = &[
    ("agent.py", "def main(inputs):\n    return inputs\n"),
    ("none.json", "[]"),
    ("one.json", r#"[{"name": "one", "input": {"b": 2}}]"#),
    ("bad.json", "[1]"),
    (
        "charm.yaml",
        "version: '0.4'\npersona: {name: a, description: b}\ninterface: {input: {}, output: {}}\n\
         runtime: {adapter: {type: python, entry_point: 'agent:main'}}\n",
    ),
];

/// The arguments, the code of the reference and ours.
fn rows() -> Vec<(String, i32, i32)> {
    let text = std::fs::read_to_string(workspace::root().join("docs/protocol.md")).unwrap();
    let (_, table) = text.split_once(MARK).expect("the table is there");
    let rows = table.trim_start().lines().take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [arguments, reference, ours, why] = cells[..] else { panic!("not four cells: {line}") };
        assert!(!why.is_empty(), "{line}");
        let arguments = if arguments == "nothing" { "" } else { arguments.trim_matches('`') };
        (arguments.to_owned(), reference.parse().unwrap(), ours.parse().unwrap())
    })
    .collect()
}

fn exit_code(venv: &Venv, runner: &Path, arguments: &str) -> Option<i32> {
    let scratch = tempfile::tempdir().unwrap();
    let project = scratch.path().join("project");
    std::fs::create_dir(&project).unwrap();
    for (name, text) in FILES {
        std::fs::write(project.join(name), text).unwrap();
    }
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("\"$0\" run . {arguments}")).arg(runner).current_dir(&project);
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(venv.bin()).chain(std::env::split_paths(&rest));
    shell.env_clear().env("PATH", std::env::join_paths(folders).unwrap());
    shell.env("HOME", scratch.path()).env("LANG", "C.UTF-8").env("PYTHONDONTWRITEBYTECODE", "1");
    process::run(shell, scratch.path()).code
}

/// Command lines that end alike.
const ALIKE: &[&str] =
    &["--json '{\"a\":1}'", "--json null", "--input text", "--input-file one.json", "--nothing"];

/// What is not as the table says, or differs and is not in it.
fn problem(venv: &Venv, (arguments, expected): &(String, Option<[i32; 2]>)) -> Option<String> {
    let code = |runner: &Path| exit_code(venv, runner, arguments);
    let [reference, ours] = [code(&venv.program("charm")), code(binaries::runner())];
    let is_right = match expected {
        Some([listed, our_own]) => (reference, ours) == (Some(*listed), Some(*our_own)),
        None => reference == ours,
    };
    let say = || format!("`{arguments}`: the reference ends with {reference:?}, ours with {ours:?}");
    (!is_right).then(say)
}

#[test]
fn every_listed_command_line_ends_as_the_table_says_and_others_end_alike() {
    let Some(venv) = requires::venv() else { return };
    let listed = rows();
    assert!(listed.iter().all(|(_, reference, ours)| reference != ours), "a row is no difference");
    let listed = listed.into_iter().map(|(arguments, reference, ours)| (arguments, Some([reference, ours])));
    let alike = ALIKE.iter().map(|arguments| ((*arguments).to_owned(), None));
    let lines = Mutex::new(listed.chain(alike).collect::<Vec<_>>());
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || {
            while let Some(line) = { lines.lock().unwrap().pop() } {
                problems.lock().unwrap().extend(problem(&venv, &line));
            }
        };
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
