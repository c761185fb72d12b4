//! Agents of several processes: forked, spawned, and such as leave.
//! The one rule: what a process of the agent says of it arrives whole and under its own name, or is told to be lost.

use crate::harness::{Agent, Seen, pythons};

const OK: &str = r#"j:{"result":{"output":"ok","raw_type":"str","status":"success"},"type":"result"}"#;

fn each(source: &str, check: impl Fn(Seen)) {
    for python in pythons() {
        check(Agent::new(python, source).run("{}"));
    }
}

/// An agent that forks: what the child does, and what the agent does when it has ended.
fn forks(child: &str) -> String {
    format!(
        "import os, sys\ndef main(callbacks):\n  h = callbacks[0]\n  print('before', end='')\n  pid = os.fork()\n  \
         if pid == 0:\n    {child}\n    os._exit(0)\n  os.waitpid(pid, 0)\n  print('after')\n  return 'ok'"
    )
}

fn count(seen: &Seen, start: &str) -> usize {
    seen.told.iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn what_a_forked_child_prints_and_tells_its_handlers_arrives_in_order() {
    let child = "print('one'); h.on_llm_new_token('t'); print('two', end=''); h.on_tool_start('search', 'q', run_id='r')";
    each(&forks(child), |seen| {
        let start = r#"j:{"call":"r","input":"q","tool":"search","type":"tool_start"}"#;
        // In the runner each process has lines of its own.
        seen.tells(&["o:before", "c:one\n", "t::t", "c:two", start, "o:after\n", OK]);
        assert_eq!(seen.stdout, "");
    });
}

#[test]
fn calls_made_by_hand_in_several_processes_have_names_of_their_own() {
    let source = "import os\ndef main(callbacks):\n  h = callbacks[0]\n  h.on_tool_start('outer', '')\n  \
        for _ in range(3):\n    pid = os.fork()\n    if pid == 0:\n      h.on_tool_start('inner', ''); h.on_tool_end('')\n      os._exit(0)\n    os.waitpid(pid, 0)\n  \
        h.on_tool_end('')\n  return 'ok'";
    each(source, |seen| {
        let mut names: Vec<_> = seen.told.iter().filter(|line| line.contains("tool_start")).collect();
        assert!(names[1..].iter().all(|line| line.contains(r#""parent":"h1""#)), "{seen:?}");
        names.dedup();
        assert_eq!(names.len(), 4, "{seen:?}");
        assert_eq!(count(&seen, "j:"), 9, "{seen:?}");
    });
}

#[test]
fn long_frames_of_several_processes_come_whole() {
    let source = "import os\ndef main(callbacks):\n  h = callbacks[0]\n  pids = []\n  for n in range(4):\n    pid = os.fork()\n    if pid == 0:\n      \
        for _ in range(30): h.on_llm_new_token(str(n) * 50_000); h.on_llm_new_token(str(n) * 10)\n      os._exit(0)\n    pids.append(pid)\n  \
        for _ in range(30): h.on_llm_new_token('p' * 50_000)\n  for pid in pids: os.waitpid(pid, 0)\n  return 'ok'";
    each(source, |seen| {
        let tokens: Vec<_> = seen.told.iter().filter_map(|line| line.strip_prefix("t::")).collect();
        assert_eq!(tokens.len(), 270);
        let whole = |token: &&str| matches!(token.len(), 10 | 50_000);
        assert!(
            tokens.iter().all(whole) && tokens.iter().all(|token| token.replace(&token[..1], "").is_empty())
        );
        assert_eq!(seen.told.last().map(String::as_str), Some(OK));
    });
}

#[test]
fn the_workers_of_a_pool_report_whatever_way_they_were_started() {
    for way in ["fork", "spawn", "forkserver"] {
        let source = format!(
            "from concurrent.futures import ProcessPoolExecutor\nfrom multiprocessing import get_context\n\
             def work(h, n):\n  h.on_tool_start('t%d' % n, 'x' * 9000)\n  print('print %d' % n)\n  h.on_tool_end('out')\n\
             def main(callbacks):\n  with ProcessPoolExecutor(2, mp_context=get_context('{way}')) as pool:\n    \
             list(pool.map(work, callbacks * 3, range(3)))\n  return 'ok'"
        );
        each(&source, |seen| {
            let told = |what: &str| seen.told.iter().filter(|line| line.contains(what)).count();
            assert_eq!(
                (told("tool_start"), told("tool_end"), told("c:print ")),
                (3, 3, 3),
                "{way}: {seen:?}"
            );
            assert_eq!(seen.told.last().map(String::as_str), Some(OK), "{way}");
            assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("", ""), "{way}");
        });
    }
}

#[test]
fn a_handler_that_comes_to_a_process_outside_the_run_says_nothing_and_says_so() {
    let source = "import pickle\ndef main(callbacks):\n  pickle.dump(callbacks[0], open('handler', 'wb'))\n  return 'ok'";
    let later = "import pickle; h = pickle.load(open('handler', 'rb')); h.on_tool_start('t', 'x'); h.on_tool_end('y'); print('goes on')";
    for python in pythons() {
        let agent = Agent::new(python, source);
        agent.run("{}").tells(&[OK]);
        let mut command = std::process::Command::new(python);
        let output = command.args(["-c", later]).current_dir(agent.project.path()).output();
        let output = output.expect("the interpreter starts");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "goes on\n");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("cannot reach the runner"), "{stderr}");
    }
}

#[test]
fn a_process_that_closes_all_its_files_is_told_to_be_lost_and_writes_into_none_of_its_own() {
    let child = "os.closerange(3, 64); files = [os.open('f%d' % n, os.O_WRONLY | os.O_CREAT) for n in range(40)]\n    \
        h.on_tool_start('lost', ''); h.on_tool_end('lost'); print('plain')";
    for python in pythons() {
        let agent = Agent::new(python, &forks(child));
        let seen = agent.run("{}");
        seen.tells(&["o:beforeafter\n", OK]);
        assert_eq!(seen.stdout, "plain\n");
        assert_eq!(seen.stderr.matches("has closed the way to the runner").count(), 1, "{}", seen.stderr);
        for n in 0..40 {
            let file = agent.project.path().join(format!("f{n}"));
            assert_eq!(std::fs::read(file).expect("the agent made it"), b"", "f{n}");
        }
    }
}

#[test]
fn a_daemon_prints_where_it_has_sent_its_stdout() {
    let child = "os.dup2(os.open('log', os.O_WRONLY | os.O_CREAT), 1); print('logged'); h.on_llm_new_token('t'); sys.stdout.flush()";
    for python in pythons() {
        let agent = Agent::new(python, &forks(child));
        agent.run("{}").tells(&["o:before", "t::t", "o:after\n", OK]);
        let log = std::fs::read_to_string(agent.project.path().join("log"));
        assert_eq!(log.expect("the agent made it"), "logged\n");
    }
}

#[test]
fn the_result_of_a_forked_process_is_not_the_runs() {
    let source = "import os\ndef main():\n  pid = os.fork()\n  if pid: os.waitpid(pid, 0)\n  return 'ok' if pid else 'mine'";
    each(source, |seen| {
        assert_eq!(seen.told.len(), 2, "{seen:?}");
        assert!(seen.told[0].contains("its result is not the run's"), "{seen:?}");
        assert_eq!(seen.told[1], OK);
    });
}
