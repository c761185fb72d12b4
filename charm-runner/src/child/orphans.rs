//! Processes that the agent started and left behind.
//! The one rule: when the run is over none of them runs and none is a zombie, and the agent's own status was not
//! taken by the reaping.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};

use super::leader::Leader;
use super::spec::Orphans as Policy;

/// How long killed processes get to be gone. One in the middle of disk I/O may take longer; it is then left to init.
const SWEEP: Duration = Duration::from_secs(1);

/// Reaps and counts.
#[derive(Debug)]
pub(super) struct Orphans {
    adopted: bool,
    pub(super) reaped: u64,
    pub(super) killed: u64,
}

impl Orphans {
    /// To be called before the agent starts, so that none escapes.
    pub(super) fn new(policy: Policy) -> Self {
        let is_init = getpid().as_raw_nonzero().get() == 1;
        let adopted = is_init || policy == Policy::Adopt && adopt();
        Self { adopted, reaped: 0, killed: 0 }
    }

    /// Reaps what has ended while the agent runs. Stops as soon as the agent itself has ended, so that its number
    /// stays taken while its group may still be signalled; the rest is for [`Self::sweep`].
    pub(super) fn reap(&mut self, leader: &mut Leader) {
        while self.adopted && leader.look().is_none() {
            match wait(WaitOptions::NOHANG) {
                // It ended after the look.
                Ok(Some((pid, status))) if pid == leader.pid() => leader.was_reaped(status),
                Ok(Some(_)) => self.reaped += 1,
                Err(rustix::io::Errno::INTR) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Kills and reaps all that is left after the agent's end.
    pub(super) fn sweep(&mut self, leader: &mut Leader) {
        leader.reap();
        if self.adopted {
            self.reap_all();
        }
        if leader.leaves_others() {
            self.killed += count_group(leader.pid());
            leader.signal_group(Signal::KILL);
        }
        let deadline = Instant::now() + SWEEP;
        let mut killed = HashSet::new();
        while self.adopted && self.reap_all() && Instant::now() < deadline {
            for process in descendants(&processes()) {
                let by_group = process.group == leader.pid();
                if process.runs
                    && killed.insert(process.pid)
                    && kill_process(process.pid, Signal::KILL).is_ok()
                {
                    self.killed += u64::from(!by_group);
                }
            }
            // The signals stay with the caller; SIGKILL takes well under a millisecond, and those who die leave
            // children of their own to be found.
            std::thread::sleep(Duration::from_millis(1));
        }
        leader.release();
    }

    /// Reaps until nothing more has ended; says whether children are left that run.
    fn reap_all(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => self.reaped += 1,
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn adopt() -> bool {
    rustix::process::set_child_subreaper(Some(getpid())).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn adopt() -> bool {
    false
}

#[derive(Debug, Clone, Copy)]
struct Process {
    pid: Pid,
    parent: Option<Pid>,
    group: Pid,
    /// Not a zombie.
    runs: bool,
}

/// Every process there is to see; none where there is no `/proc`.
fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            parse_stat(pid, &std::fs::read_to_string(entry.path().join("stat")).ok()?)
        })
        .collect()
}

/// How many processes of a group run; 1 where they cannot be seen, since the caller knows of some.
fn count_group(group: Pid) -> u64 {
    let all = processes();
    if all.is_empty() {
        return 1;
    }
    all.iter().filter(|process| process.group == group && process.runs).count() as u64
}

/// Reads `pid (name) state parent group ..`, where the name may hold anything.
fn parse_stat(pid: Pid, stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let runs = !matches!(fields.next()?, "Z" | "X");
    let parent = Pid::from_raw(fields.next()?.parse().ok()?);
    let group = Pid::from_raw(fields.next()?.parse().ok()?)?;
    Some(Process { pid, parent, group, runs })
}

/// Those of `all` that descend from this process.
fn descendants(all: &[Process]) -> Vec<Process> {
    let mut family = HashSet::from([getpid()]);
    let mut found = Vec::new();
    loop {
        let before = found.len();
        for process in all {
            if process.parent.is_some_and(|parent| family.contains(&parent)) && family.insert(process.pid) {
                found.push(*process);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        let pid = Pid::from_raw(7).unwrap();
        let process = parse_stat(pid, "7 (a) Z (b) S 3 7 7 0 -1").unwrap();
        assert!(process.runs && process.parent == Pid::from_raw(3) && process.group == pid);
        assert!(!parse_stat(pid, "7 (x) Z 1 7 7 0 -1").unwrap().runs);
        assert!(parse_stat(pid, "7 (x").is_none());
    }

    #[test]
    fn descendants_are_found_whatever_their_order() {
        let process = |pid, parent| Process {
            pid: Pid::from_raw(pid).unwrap(),
            parent: Pid::from_raw(parent),
            group: Pid::from_raw(1).unwrap(),
            runs: true,
        };
        let us = getpid().as_raw_nonzero().get();
        let all = [
            process(1_000_003, 1_000_002),
            process(1_000_001, us),
            process(1_000_002, 1_000_001),
            process(5, 1),
        ];
        let mut found: Vec<_> = descendants(&all).iter().map(|it| it.pid.as_raw_nonzero().get()).collect();
        found.sort_unstable();
        assert_eq!(found, [1_000_001, 1_000_002, 1_000_003]);
    }
}
