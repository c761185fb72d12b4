//! Agents that are asked to end, and some that will not: C8.
//! The one rule: whoever asks, the agent's process is gone in bounded time.

use std::time::{Duration, Instant};

use charm_runner::child::{
    CaptureSink, CapturedLine, ChildSpec, Exit, Notice, Signals, StopSignal, supervise,
};
use rustix::process::Signal;

use crate::probe::{Probe, Setup};
use crate::recorder::{Recorder, assert_goes, command, run_with};

const SHORT: Duration = Duration::from_millis(300);

/// After this long an interpreter has set its signal handlers, on a busy machine too.
const INTERPRETER_IS_UP: Duration = Duration::from_secs(2);

#[test]
fn c8_each_signal_to_us_is_passed_on_and_the_agent_says_goodbye() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1), (Signal::QUIT, 3)] {
        let mut probe = Probe::start("polite.py", &Setup::default());
        let pid = probe.child_pid();
        probe.signal(signal);
        assert_eq!(probe.next("line"), format!(r#"__CHARM_EVENT__{{"type": "final", "content": {number}}}"#));
        let outcome = probe.outcome();
        assert_eq!((&outcome["code"], &outcome["stopped_by"]), (&6.into(), &number.into()));
        assert_eq!(outcome["killed"], false);
        assert_goes(pid);
    }
}

#[test]
fn c8_an_agent_that_ignores_signals_is_killed_when_its_grace_is_over() {
    let mut probe = Probe::start("stubborn.py", &Setup { grace: Some(SHORT), ..Setup::default() });
    let pid = probe.child_pid();
    let asked = Instant::now();
    probe.signal(Signal::TERM);
    let outcome = probe.outcome();
    assert!(asked.elapsed() >= SHORT);
    assert_eq!((&outcome["signal"], &outcome["killed"]), (&9.into(), &true.into()));
    assert_eq!(outcome["exit_code"], 137);
    assert_goes(pid);
}

#[test]
fn c8_a_second_signal_kills_at_once() {
    let mut probe =
        Probe::start("stubborn.py", &Setup { grace: Some(Duration::from_hours(1)), ..Setup::default() });
    let pid = probe.child_pid();
    probe.signal(Signal::INT);
    while !probe.next("notice").starts_with("Forwarded") {}
    probe.signal(Signal::INT);
    assert_eq!(probe.outcome()["signal"], 9);
    assert_goes(pid);
}

#[test]
fn c8_when_the_runner_is_killed_the_agent_dies_with_it() {
    let mut probe = Probe::start("stubborn.py", &Setup::default());
    let pid = probe.child_pid();
    probe.signal(Signal::KILL);
    assert_goes(pid);
}

#[test]
fn a_signal_that_came_before_the_agent_was_started_counts() {
    let mut probe = Probe::start("polite.py", &Setup { signal_first: true, ..Setup::default() });
    assert_eq!(probe.outcome()["stopped_by"], 15);
}

#[test]
fn a_hangup_that_was_ignored_when_we_started_stays_ignored() {
    let wrapper = vec!["sh", "-c", r#"trap "" HUP; exec "$@""#, "sh"];
    let mut probe = Probe::start("polite.py", &Setup { wrapper, ..Setup::default() });
    probe.child_pid();
    // Were the first one caught, it would come first, even if both were seen together.
    probe.signal(Signal::HUP);
    probe.signal(Signal::INT);
    assert_eq!(probe.outcome()["stopped_by"], 2);
}

#[test]
fn an_agent_over_its_time_limit_is_asked_and_then_killed() {
    let limit = |spec: ChildSpec| spec.timeout(Some(INTERPRETER_IS_UP)).grace(SHORT);
    let (outcome, sink) = run_with(command("stubborn.py", &[]), limit, Recorder::default());
    assert_eq!((outcome.exit, outcome.timed_out, outcome.killed), (Exit::Signal(9), true, true));
    assert!(outcome.duration >= INTERPRETER_IS_UP + SHORT);
    assert_eq!(outcome.exit_code(), 124);
    assert_eq!(sink.notices[1..], [Notice::TimedOut, Notice::Killed, Notice::Exited(Exit::Signal(9))]);
}

#[test]
fn an_agent_that_ends_in_its_grace_has_timed_out_all_the_same() {
    let limit = |spec: ChildSpec| spec.timeout(Some(INTERPRETER_IS_UP));
    let (outcome, sink) = run_with(command("polite.py", &[]), limit, Recorder::default());
    assert_eq!((outcome.exit, outcome.timed_out, outcome.killed), (Exit::Code(6), true, false));
    assert_eq!((outcome.exit_code(), outcome.stopped_by), (124, None::<StopSignal>));
    assert_eq!(sink.events.len(), 1);
}

/// Panics at the first line, which holds the agent's process id.
struct Panics(Option<u32>);

impl CaptureSink for Panics {
    fn stdout_line(&mut self, line: CapturedLine<'_>) {
        self.0 = String::from_utf8_lossy(line.bytes).parse().ok();
        panic!("the sink has a fault");
    }

    fn stderr_line(&mut self, _: CapturedLine<'_>) {}
}

#[test]
fn a_fault_in_the_sink_does_not_leave_the_agent_running() {
    let mut sink = Panics(None);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut signals = Signals::install().unwrap();
        supervise(ChildSpec::new(command("stubborn.py", &[])), &mut signals, &mut sink)
    }));
    assert!(caught.is_err());
    assert_goes(sink.0.expect("the agent spoke"));
}
