//! How runs end: errors, exits, signals, threads and exit handlers.
//! The one rule: what the agent did is its result, what kept it from starting is a crash with the way out.

use std::os::unix::process::ExitStatusExt as _;

use charm_runner::bridge::{Launch, PythonAdapter};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Agent, Running, Seen, pythons};

fn each(source: &str, check: impl Fn(Seen)) {
    for python in pythons() {
        check(Agent::new(python, source).run("{}"));
    }
}

fn each_entry(entry: &str, source: &str, check: impl Fn(Seen)) {
    for python in pythons() {
        check(Agent::of(python, PythonAdapter::Python, entry, source).run("{}"));
    }
}

#[track_caller]
fn crashes(seen: &Seen, error_type: &str, message: &str) {
    assert_eq!(seen.status.code(), Some(1), "{seen:?}");
    let last = seen.told.last().expect("there is a record");
    assert!(last.contains(&format!(r#""error_type":"{error_type}""#)), "{last}");
    assert!(last.contains(message), "{last}");
    assert!(last.contains(r#""type":"crash""#), "{last}");
}

fn signal(running: &Running, signal: Signal) {
    let pid = Pid::from_child(&running.child);
    kill_process(pid, signal).expect("it is our child");
}

#[test]
fn an_exception_is_an_error_result_and_a_traceback_of_the_agents_lines() {
    each(
        "def main():\n  print('on the way')\n  deeper()\ndef deeper():\n  raise ValueError('kaput')",
        |seen| {
            seen.tells(&[
            "o:on the way\n",
            r#"j:{"result":{"error_type":"ValueError","message":"Agent Execution Failed: kaput","status":"error"},"type":"result"}"#,
        ]);
            assert!(
                seen.stderr.contains("line 3, in main") && seen.stderr.contains("line 5, in deeper"),
                "{}",
                seen.stderr
            );
            assert!(!seen.stderr.contains("charm-bridge"), "{}", seen.stderr);
        },
    );
}

#[test]
fn a_crash_in_an_async_agent_a_generator_and_a_constructor_is_an_error_result() {
    let error = r#"{"error_type":"KeyError","message":"Agent Execution Failed: 'k'","status":"error"}"#;
    each("async def main(): raise KeyError('k')", |seen| seen.gives(error));
    each("def main():\n  raise KeyError('k')\n  yield", |seen| seen.gives(error));
    each("class main:\n  def __init__(self): raise KeyError('k')\n  def run(self): pass", |seen| {
        seen.gives(error);
    });
}

#[test]
fn exits_keep_their_code_and_are_told() {
    let log = |said: &str| {
        format!(r#"j:{{"level":"info","message":"the agent called sys.exit({said})","type":"log"}}"#)
    };
    each("import sys\ndef main():\n  print('bye', end='')\n  sys.exit(3)", |seen| {
        assert_eq!((seen.status.code(), seen.told), (Some(3), vec!["o:bye".to_owned(), log("3")]));
    });
    each("import sys\ndef main(): sys.exit()", |seen| {
        assert_eq!((seen.status.code(), seen.told), (Some(0), vec![log("None")]));
    });
    each("import sys\ndef main(): sys.exit('why')", |seen| {
        assert_eq!((seen.status.code(), seen.stderr.as_str()), (Some(1), "why\n"));
        let told = r#"j:{"result":{"error_type":"SystemExit","message":"the agent called sys.exit: why","status":"error"},"type":"result"}"#;
        assert_eq!(seen.told, [told]);
    });
}

#[test]
fn an_interrupt_ends_as_python_ends() {
    each("def main(): raise KeyboardInterrupt", |seen| assert_eq!(seen.status.signal(), Some(2)));
    let source = "import atexit\natexit.register(print, 'handler')\ndef main():\n  print('ready')\n  import time\n  time.sleep(60)";
    for python in pythons() {
        let agent = Agent::new(python, source);
        let mut running = agent.start("{}");
        let so_far = running.until("ready\n");
        signal(&running, Signal::INT);
        let seen = running.wait_after(so_far);
        assert_eq!(seen.status.signal(), Some(2), "{seen:?}");
        assert_eq!(seen.told.last().map(String::as_str), Some("o:handler\n"), "{seen:?}");
    }
}

#[test]
fn a_termination_is_pythons_own_affair() {
    let source = "def main():\n  print('ready')\n  import time\n  time.sleep(60)";
    for python in pythons() {
        let agent = Agent::new(python, source);
        let mut running = agent.start("{}");
        let so_far = running.until("ready\n");
        signal(&running, Signal::TERM);
        let seen = running.wait_after(so_far);
        assert_eq!((seen.status.signal(), seen.told), (Some(15), vec!["o:ready\n".to_owned()]));
    }
}

#[test]
fn threads_and_exit_handlers_run_to_their_end() {
    let source = "import atexit, threading, time\n\
        atexit.register(lambda: print('handler'))\n\
        def late():\n  time.sleep(0.2)\n  print('thread')\n\
        def main():\n  threading.Thread(target=late).start()\n  return 'r'";
    each(source, |seen| {
        seen.tells(&[
            r#"j:{"result":{"output":"r","raw_type":"str","status":"success"},"type":"result"}"#,
            "o:thread\nhandler\n",
        ]);
    });
}

#[test]
fn files_that_were_left_open_lose_nothing() {
    let source = "import gzip\nT = open('t.txt', 'w')\nG = gzip.open('g.gz', 'wt')\n\
        def main():\n  global B\n  B = open('b.bin', 'wb')\n  T.write('text'); G.write('zip'); B.write(b'bytes')";
    for python in pythons() {
        let agent = Agent::new(python, source);
        assert!(agent.run("{}").status.success());
        let read = |name: &str| std::fs::read(agent.project.path().join(name)).expect("the agent made it");
        assert_eq!((read("t.txt"), read("b.bin")), (b"text".to_vec(), b"bytes".to_vec()));
        let unzip = "import gzip\ndef main(): return gzip.open('g.gz', 'rt').read()";
        std::fs::write(agent.project.path().join("agent.py"), unzip).expect("the agent can be written");
        agent.run("{}").gives(r#"{"output":"zip","raw_type":"str","status":"success"}"#);
    }
}

#[test]
fn what_can_not_be_loaded_is_a_crash_that_says_what_to_do() {
    each("import nowhere_to_be_found", |seen| {
        crashes(
            &seen,
            "ModuleNotFoundError",
            "no module named `nowhere_to_be_found`; is it in the agent's requirements",
        );
        assert!(
            seen.stderr.contains("line 1, in <module>") && !seen.stderr.contains("importlib"),
            "{}",
            seen.stderr
        );
    });
    each("def main(:", |seen| crashes(&seen, "SyntaxError", "can't load the entry point `agent:main`"));
    each("raise ValueError('early')", |seen| crashes(&seen, "ValueError", "ValueError: early"));
    each("def man(): pass\nx = 1", |seen| {
        crashes(&seen, "AttributeError", "no attribute `main`; it has: `man`, `x`");
    });
    each("main = 5", |seen| crashes(&seen, "TypeError", "is of type `int`"));
    each("class main: pass", |seen| crashes(&seen, "TypeError", "`invoke` or `run`"));
}

#[test]
fn a_malformed_entry_point_is_a_crash_that_shows_the_form() {
    for entry in ["agent", "agent:", ":main", "agent:a:b", "dir/agent:main"] {
        each_entry(entry, "def main(): pass", |seen| {
            crashes(&seen, "ValueError", "must be `module.path:attribute`");
        });
    }
    each_entry("agnt:main", "", |seen| {
        crashes(&seen, "ModuleNotFoundError", "no such module in the project");
    });
    each_entry("agent.py:main", "def main(): pass", |seen| {
        crashes(&seen, "ModuleNotFoundError", "write `agent:main`");
    });
    each_entry("agent:N.go", "class N:\n  def go(): return 'n'", |seen| {
        seen.gives(r#"{"output":"n","raw_type":"str","status":"success"}"#);
    });
}

#[test]
fn a_launch_that_can_not_work_is_refused_before_it_starts() {
    let launch = Launch::new("/nowhere/at/all", PythonAdapter::Python, "a:b");
    assert!(launch.command().expect_err("there is no project").to_string().contains("`/nowhere/at/all`"));
    let launch = Launch::new("/", PythonAdapter::Python, "a:b").inputs("{\"a\":");
    assert!(launch.command().expect_err("the inputs are cut").to_string().contains("not valid JSON"));
}
