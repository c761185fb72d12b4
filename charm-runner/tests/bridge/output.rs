//! What an agent prints.
//! The one rule: what goes through `sys.stdout` keeps its order with the records, and what does not stays on stdout.

use crate::harness::{Agent, Seen, pythons};

const NONE: &str = r#"j:{"result":{"output":null,"raw_type":"NoneType","status":"success"},"type":"result"}"#;

fn each(body: &str, check: impl Fn(Seen)) {
    let source = format!(
        "import os, sys, subprocess, threading\ndef main(callbacks):\n  h = callbacks[0]\n  {body}\n"
    );
    for python in pythons() {
        check(Agent::new(python, &source).run("{}"));
    }
}

#[test]
fn prints_and_records_keep_their_order() {
    each(
        "print('a'); h.on_llm_new_token('1'); print('b', end=''); h.on_llm_new_token('2'); print('c', end='')",
        |seen| {
            seen.tells(&["o:a\n", "t::1", "o:b", "t::2", "o:c", NONE]);
        },
    );
}

#[test]
fn a_last_print_without_newline_is_kept() {
    each("sys.stdout.write('partial')", |seen| seen.tells(&["o:partial", NONE]));
}

#[test]
fn stdout_has_what_a_stream_has() {
    each(
        "print(sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.encoding, sys.stdout is sys.__stdout__)",
        |seen| {
            seen.tells(&["o:False 1 utf-8 True\n", NONE]);
        },
    );
    each(
        "sys.stdout.buffer.write(b'\\xff\\n'); sys.stdout.flush(); sys.stdout.writelines(['x', 'y'])",
        |seen| {
            seen.tells(&["o:\u{fffd}\nxy", NONE]);
        },
    );
}

#[test]
fn any_text_can_be_printed() {
    each("print('é\\u2028\\U0001f600'); print('a\\ud800b')", |seen| {
        seen.tells(&["o:é\u{2028}\u{1f600}\na\\ud800b\n", NONE]);
    });
}

#[test]
fn what_bypasses_sys_stdout_stays_on_stdout() {
    each("print('p'); os.write(1, b'raw\\n'); subprocess.run(['echo', 'sub'])", |seen| {
        seen.tells(&["o:p\n", NONE]);
        assert_eq!(seen.stdout, "raw\nsub\n");
    });
}

#[test]
fn subprocesses_do_not_get_the_pipe() {
    let body = "print(os.get_inheritable(h.on_tool_start.__func__.__globals__['pipe']), 'CHARM_BRIDGE_FD' in os.environ)";
    each(body, |seen| seen.tells(&["o:False False\n", NONE]));
}

#[test]
fn ten_megabytes_come_whole() {
    each("print('x' * 10_000_000); sys.stdout.write('y\\n' * 1000)", |seen| {
        assert_eq!(seen.told.len(), 2, "{} lines", seen.told.len());
        assert_eq!(seen.told[0].len(), 2 + 10_000_001 + 2000);
    });
    each("h.on_llm_new_token('z' * 1_000_000)", |seen| assert_eq!(seen.told[0].len(), 3 + 1_000_000));
}

#[test]
fn threads_print_whole_lines() {
    let body = "ts = [threading.Thread(target=lambda n=n: [print(str(n) * 50 + '\\n', end='') or h.on_llm_new_token(str(n) * 9) for _ in range(200)]) for n in range(8)]\n  \
        [t.start() for t in ts]; [t.join() for t in ts]";
    each(body, |seen| {
        let printed: String = seen.told.iter().filter_map(|line| line.strip_prefix("o:")).collect();
        assert_eq!(printed.lines().count(), 1600);
        assert!(printed.lines().all(|line| line.len() == 50), "lines are mixed");
        assert_eq!(seen.told.iter().filter(|line| line.starts_with("t:")).count(), 1600);
    });
}

#[test]
fn a_closed_or_replaced_stdout_does_not_stop_the_result() {
    each("print('a'); sys.stdout.close()", |seen| seen.tells(&["o:a\n", NONE]));
    each("sys.stdout = None", |seen| seen.tells(&[NONE]));
    each(
        "import io; sys.stdout = io.StringIO(); print('caught'); s = sys.stdout.getvalue(); sys.stdout = sys.__stdout__; print(s)",
        |seen| {
            seen.tells(&["o:caught\n\n", NONE]);
        },
    );
}

#[test]
fn printing_while_the_module_loads_is_kept() {
    for python in pythons() {
        Agent::new(python, "print('early')\ndef main(): pass").run("{}").tells(&["o:early\n", NONE]);
    }
}

#[test]
fn a_signal_handler_that_prints_amid_prints_breaks_no_frame() {
    let body = "import signal; n = [0]\n  def tick(*_):\n    n[0] += 1; h.on_llm_new_token('s' * 5000)\n  \
        signal.signal(signal.SIGALRM, tick); signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\n  \
        while n[0] < 50: h.on_llm_new_token('m' * 200_000)\n  \
        signal.setitimer(signal.ITIMER_REAL, 0)";
    each(body, |seen| {
        let whole = |line: &String| line[3..].len() == 5000 || line[3..].len() == 200_000;
        assert!(seen.told.iter().filter(|line| line.starts_with("t:")).all(whole), "a frame is broken");
        assert_eq!(seen.told.last().map(String::as_str), Some(NONE));
    });
}
