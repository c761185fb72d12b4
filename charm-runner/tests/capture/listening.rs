//! What an agent says, however it says it: C1 to C5 and C9.
//! The one rule: after whatever went wrong, the next good event is there.

use charm_runner::child::{Exit, LineCounts};
use charm_telemetry_core::protocol::Malformed;

use crate::probe::{Probe, Setup};
use crate::recorder::{Recorder, Seen, command, run, run_with, sh};

fn line(bytes: &[u8]) -> Seen {
    Seen { bytes: bytes.to_vec(), total_len: bytes.len() as u64, has_newline: true }
}

#[test]
fn c1_a_line_of_a_gigabyte_costs_less_than_4_mb_of_memory_and_the_event_after_it_arrives() {
    let mut probe = Probe::start("long_line.sh", &Setup { arguments: vec!["1G"], ..Setup::default() });
    let outcome = probe.outcome();
    assert_eq!((&outcome["events"], &outcome["cut"]), (&1.into(), &1.into()));
    assert_eq!(outcome["bytes_discarded"], (1u64 << 30) - (64 << 10));
    let grown = outcome["grown_kib"].as_u64().unwrap();
    assert!(grown < 4096, "memory grew by {grown} KiB");
}

#[test]
fn c1_progress_bars_nuls_and_windows_line_ends_stay_what_they_are() {
    let (outcome, sink) = run(command("odd_bytes.sh", &[]));
    assert_eq!(sink.stdout[..4], [line(b"10%\r20%\r100%"), line(b"a\0b"), line(b"dos"), line(b"")]);
    assert_eq!(sink.stdout[4], Seen { bytes: vec![b'x'; 65_536], total_len: 70_000, has_newline: true });
    assert_eq!(outcome.stdout, LineCounts { lines: 6, cut: 1, bytes_discarded: 70_000 - 65_536 });
    assert_eq!(sink.events, [r#"{"type": "final", "content": "after odd bytes"}"#]);
}

#[test]
fn c2_a_bad_byte_at_any_place_spoils_only_its_own_line() {
    let (_, sink) = run(command("bad_utf8.py", &[]));
    let event_len = br#"__CHARM_EVENT__{"type": "delta", "content": "abc"}"#.len();
    let good = sink.events.iter().filter(|event| event.contains("good")).count();
    assert_eq!(good, event_len + 2);
    // In front of or within the marker the line is text; behind it, malformed.
    assert_eq!(sink.texts, 15);
    assert_eq!(sink.malformed.len(), event_len + 1 - 15);
    assert!(sink.malformed.iter().all(|why| matches!(why, Malformed::NotUtf8 { .. })));
    assert!(sink.events.iter().any(|event| event.contains(r"\ud800")), "a lone surrogate passes");
    assert_eq!(sink.events.last().unwrap(), r#"{"type": "final", "content": "ö"}"#);
}

#[test]
fn c3_a_marker_torn_at_any_byte_is_one_and_a_marker_within_a_line_is_none() {
    let (_, sink) = run(command("torn_marker.py", &[]));
    let event_len = br#"__CHARM_EVENT__{"type": "delta", "content": "torn"}"#.len();
    assert_eq!(sink.events.len(), event_len);
    assert_eq!((sink.texts, sink.malformed.len()), (2, 0));
}

#[test]
fn c4_last_words_without_newline_are_parsed_and_the_end_is_told_exactly() {
    let ends = [
        ("exit", "0", Exit::Code(0)),
        ("exit", "41", Exit::Code(41)),
        ("kill", "0", Exit::Signal(9)),
        ("segv", "0", Exit::Signal(11)),
    ];
    for (how, code, exit) in ends {
        let (outcome, sink) = run(command("last_line.py", &[how, code]));
        assert_eq!(outcome.exit, exit);
        assert_eq!(sink.events, [r#"{"type": "final", "content": "last words"}"#]);
        assert!(!sink.stdout[0].has_newline);
    }
}

#[test]
fn c4_half_an_event_without_newline_is_malformed_and_half_a_marker_is_text() {
    let (_, sink) = run(command("last_line.py", &["kill", "0", r#"__CHARM_EVENT__{"type": "fin"#]));
    assert!(matches!(sink.malformed[..], [Malformed::NotJson { .. }]));
    let (_, sink) = run(command("last_line.py", &["exit", "0", "__CHARM_EV"]));
    assert_eq!((sink.texts, sink.stdout[0].bytes.as_slice()), (1, &b"__CHARM_EV"[..]));
}

#[test]
fn c5_while_the_consumer_stalls_stderr_flows_and_afterwards_all_of_stdout_is_there_in_order() {
    let flood = 16 << 20;
    let sink = Recorder { full_until_stderr: flood, ..Recorder::default() };
    let (outcome, sink) = run_with(command("flood.py", &["16", "20000"]), |spec| spec, sink);
    assert_eq!((outcome.exit, sink.stderr_bytes), (Exit::Code(0), flood));
    assert_eq!(sink.bytes_while_full, 0, "nothing is read for a sink that is full from the start");
    assert_eq!(sink.stdout.len(), 20_001);
    for (n, line) in sink.stdout[..20_000].iter().enumerate() {
        assert!(line.bytes.starts_with(format!("{n:08} ").as_bytes()) && line.total_len == 1023);
    }
    assert_eq!(sink.events.len(), 1);
}

#[test]
fn c5_a_consumer_that_never_reads_cannot_keep_us_from_ending_when_we_are_told_to() {
    let setup = Setup {
        arguments: vec!["0", "20000"],
        stalled: true,
        grace: Some(std::time::Duration::from_millis(300)),
        ..Setup::default()
    };
    let mut probe = Probe::start("flood.py", &setup);
    probe.next("notice");
    probe.signal(rustix::process::Signal::TERM);
    let outcome = probe.outcome();
    assert_eq!(outcome["stopped_by"], 15);
    assert_eq!(outcome["gave_up_listening"], true);
}

#[test]
fn c9_hostile_json_costs_its_own_line_and_nothing_else() {
    let (outcome, sink) = run(command("hard_json.py", &[]));
    assert_eq!(sink.malformed[..2], [Malformed::TooDeep, Malformed::TooDeep]);
    assert_eq!(sink.events[0], r#"{"type": "status", "type": "final", "content": 1, "content": 2}"#);
    assert!(sink.events[1].contains("1e999999"));
    assert!(sink.events[2].len() > 600_000, "60,000 keys are an event");
    assert_eq!(outcome.stdout.cut, 1, "a million keys are more than 1 MiB");
    assert_eq!(sink.events[3..], [r#"{"type": "final", "content": "easy"}"#]);
}

#[test]
fn stdout_and_stderr_are_kept_apart_and_the_bridge_pipe_is_handed_on_raw() {
    let (outcome, sink) =
        run_with(command("bridge.py", &[]), |spec| spec.bridge_pipe("BRIDGE_FD"), Recorder::default());
    assert_eq!(sink.bridge, (0..=255).collect::<Vec<u8>>());
    assert_eq!((outcome.bridge_bytes, sink.stdout), (256, vec![line(b"on stdout")]));
    let (_, sink) = run(sh("echo to stderr >&2; echo to stdout"));
    assert_eq!((sink.stderr_lines, sink.stderr_head.as_slice()), (1, &b"to stderr"[..]));
    assert_eq!(sink.stdout, [line(b"to stdout")]);
}
