//! What a token costs the agent's thread, through the public handle, with four exporters on.
//!
//! Rule: counts that do not depend on how busy the machine is: instructions, allocations, system calls. Processor time
//! only where it is a hundredth of the bound.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use charm_telemetry_tests::{binaries, requires};

/// A third of what an `add_event` of OpenTelemetry's SDK takes.
const MAX_INSTRUCTIONS: u64 = 115;

const TOKENS: u64 = 4096;

/// The program that emits, built as it would be shipped.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| binaries::release_example("charm-telemetry-core", "hot_path"))
}

fn run(mut command: Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn a_token_takes_at_most_115_instructions() {
    let Some(valgrind) = requires::program("valgrind") else { return };
    let mut command = Command::new(valgrind);
    command.args(["--tool=callgrind", "--toggle-collect=*hot_path::emit", "--callgrind-out-file=/dev/null"]);
    command.arg(program()).args(["tokens", &TOKENS.to_string()]);
    let output = String::from_utf8(run(command).stderr).expect("valgrind writes UTF-8");
    let collected =
        output.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind ends so").1;
    let instructions = collected.trim().parse::<u64>().expect("a count") / TOKENS;
    println!("{instructions} instructions a token");
    assert!(instructions <= MAX_INSTRUCTIONS, "{instructions} instructions a token");
    assert!(instructions > 40, "{instructions} instructions a token: too few to be true");
}

#[test]
fn a_token_makes_no_system_call_and_allocates_nothing() {
    let Some(strace) = requires::program("strace") else { return };
    let mut command = Command::new(strace);
    // The program itself counts its allocations and fails if there was one.
    command.args(["-f", "-qq", "-o", "/dev/stderr"]).arg(program()).args(["tokens", &TOKENS.to_string()]);
    let trace = String::from_utf8(run(command).stderr).expect("strace writes UTF-8");
    let thread = trace.lines().next().and_then(|line| line.split_whitespace().next()).expect("a first call");
    let calls = trace.lines().filter_map(|line| line.strip_prefix(thread)).map(str::trim);
    // When another thread calls meanwhile, strace writes a call in two lines.
    let calls = calls.filter(|call| !call.starts_with("<... getppid resumed"));
    let between: Vec<_> = calls.skip_while(|call| !call.starts_with("getppid")).skip(1).collect();
    let next = between.first().expect("the second mark");
    assert!(next.starts_with("getppid"), "between the marks the emitting thread called: {next}");
}

#[test]
fn waiting_for_a_model_costs_less_than_a_thousandth_of_a_core() {
    const SECONDS: u64 = 4;
    let mut command = Command::new(program());
    command.args(["idle", &SECONDS.to_string()]);
    let output = String::from_utf8(run(command).stdout).expect("a number");
    let nanoseconds: u64 = output.trim().parse().expect("a number");
    println!("{nanoseconds} ns of processor time in {SECONDS} s");
    assert!(nanoseconds < SECONDS * 1_000_000, "{nanoseconds} ns of processor time in {SECONDS} s");
}
