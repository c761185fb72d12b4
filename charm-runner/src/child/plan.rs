//! When to ask the agent to end, when to kill it, and when to stop listening.
//! The one rule: no clock and no process here, so that every order of events can be tested.

use std::time::{Duration, Instant};

use super::signals::StopSignal;

/// How long pipes may stay open after the agent ended, held by processes that it left behind.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// The same after SIGKILL, when only processes that left the group can hold them.
const LINGER_AFTER_KILL: Duration = Duration::from_millis(200);

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Pass this signal on to the group.
    Forward(StopSignal),
    /// The time is up: SIGTERM to the group.
    TimeOut,
    /// SIGKILL to the group.
    Kill,
    /// Stop listening.
    GiveUp,
}

/// The deadlines of one run.
#[derive(Debug)]
pub(super) struct Plan {
    grace: Duration,
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    give_up_at: Option<Instant>,
    /// Whether the sink was full since the last time `give_up_at` was set.
    was_full: bool,
    pub(super) timed_out: bool,
    pub(super) killed: bool,
    pub(super) stopped_by: Option<StopSignal>,
}

impl Plan {
    pub(super) fn new(now: Instant, timeout: Option<Duration>, grace: Duration) -> Self {
        Self {
            grace,
            // A limit beyond what the clock can count is none.
            timeout_at: timeout.and_then(|timeout| now.checked_add(timeout)),
            kill_at: None,
            give_up_at: None,
            was_full: false,
            timed_out: false,
            killed: false,
            stopped_by: None,
        }
    }

    /// We were asked to end: the first time the agent is asked too, the second time it is killed.
    pub(super) fn on_signal(&mut self, signal: StopSignal, now: Instant) -> Action {
        let first = self.kill_at.is_none();
        self.stopped_by = self.stopped_by.or(Some(signal));
        if first {
            self.kill_at = now.checked_add(self.grace);
            return Action::Forward(signal);
        }
        self.kill(now)
    }

    /// The agent ended.
    pub(super) fn on_exit(&mut self, now: Instant) {
        let linger = now + if self.killed { LINGER_AFTER_KILL } else { LINGER };
        self.timeout_at = None;
        // Processes of an agent that was asked to end have the rest of its grace.
        self.give_up_at = Some(self.kill_at.filter(|_| !self.killed).map_or(linger, |kill| kill.max(linger)));
    }

    /// All that the agent left behind was killed: only what is in the pipes remains.
    pub(super) fn on_swept(&mut self, now: Instant) {
        self.killed = true;
        self.give_up_at = Some(now + LINGER_AFTER_KILL);
    }

    /// What is due, if anything. `full` says that the sink has no room.
    pub(super) fn due(&mut self, now: Instant, full: bool) -> Option<Action> {
        self.was_full |= full && self.give_up_at.is_some();
        if reached(self.timeout_at, now) {
            self.timeout_at = None;
            self.timed_out = true;
            if self.kill_at.is_none() {
                self.kill_at = now.checked_add(self.grace);
                return Some(Action::TimeOut);
            }
        }
        if !self.killed && reached(self.kill_at, now) {
            return Some(self.kill(now));
        }
        if reached(self.give_up_at, now) {
            // A slow reader loses nothing, unless we were told to end: the pipes have their time without a full sink.
            if self.was_full && self.stopped_by.is_none() {
                self.was_full = false;
                self.give_up_at = Some(now + LINGER);
                return None;
            }
            return Some(Action::GiveUp);
        }
        None
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        let kill_at = self.kill_at.filter(|_| !self.killed);
        [self.timeout_at, kill_at, self.give_up_at].into_iter().flatten().min()
    }

    fn kill(&mut self, now: Instant) -> Action {
        self.killed = true;
        self.give_up_at = self.give_up_at.map(|at| at.min(now + LINGER_AFTER_KILL));
        Action::Kill
    }
}

fn reached(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn plan(timeout: Option<u64>) -> (Plan, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let at = move |second| start + Duration::from_secs(second);
        (Plan::new(start, timeout.map(Duration::from_secs), GRACE), at)
    }

    #[test]
    fn without_time_limit_nothing_is_ever_due() {
        let (mut plan, at) = plan(None);
        assert_eq!((plan.next(), plan.due(at(1_000_000), false)), (None, None));
        let endless = Plan::new(Instant::now(), Some(Duration::MAX), Duration::MAX);
        assert_eq!(endless.next(), None);
    }

    #[test]
    fn the_time_limit_asks_first_and_kills_after_the_grace() {
        let (mut plan, at) = plan(Some(10));
        assert_eq!((plan.next(), plan.due(at(9), false)), (Some(at(10)), None));
        assert_eq!(plan.due(at(10), false), Some(Action::TimeOut));
        assert_eq!((plan.next(), plan.due(at(14), false)), (Some(at(15)), None));
        assert_eq!(plan.due(at(15), false), Some(Action::Kill));
        assert_eq!(plan.due(at(99), false), None);
        assert!(plan.timed_out && plan.killed);
    }

    #[test]
    fn a_second_signal_within_the_grace_kills_at_once() {
        let (mut plan, at) = plan(None);
        assert_eq!(plan.on_signal(StopSignal::Int, at(1)), Action::Forward(StopSignal::Int));
        assert_eq!(plan.on_signal(StopSignal::Term, at(2)), Action::Kill);
        assert_eq!(plan.stopped_by, Some(StopSignal::Int));
        assert_eq!(plan.due(at(6), false), None);
    }

    #[test]
    fn a_signal_after_the_time_limit_kills_and_the_limit_within_a_grace_asks_no_second_time() {
        let (mut plan, at) = plan(Some(3));
        assert_eq!(plan.on_signal(StopSignal::Term, at(1)), Action::Forward(StopSignal::Term));
        assert_eq!(plan.due(at(3), false), None);
        assert!(plan.timed_out);
        assert_eq!(plan.due(at(6), false), Some(Action::Kill));
    }

    #[test]
    fn after_the_exit_pipes_have_two_seconds() {
        let (mut plan, at) = plan(Some(3));
        plan.on_exit(at(1));
        assert_eq!((plan.next(), plan.due(at(2), false)), (Some(at(3)), None));
        assert_eq!(plan.due(at(3), false), Some(Action::GiveUp));
        assert!(!plan.timed_out);
    }

    #[test]
    fn what_an_asked_agent_left_behind_has_the_rest_of_the_grace() {
        let (mut plan, at) = plan(None);
        plan.on_signal(StopSignal::Term, at(1));
        plan.on_exit(at(1));
        assert_eq!(plan.due(at(5), false), None);
        assert_eq!(plan.due(at(6), false), Some(Action::Kill));
        assert_eq!(plan.due(at(7), false), Some(Action::GiveUp));
    }

    #[test]
    fn output_that_waits_for_a_slow_reader_is_waited_for_until_we_are_told_to_end() {
        let (mut plan, at) = plan(None);
        plan.on_exit(at(0));
        assert_eq!(plan.due(at(1), true), None);
        assert_eq!(plan.due(at(10), false), None, "it was full in between");
        assert_eq!(plan.due(at(11), true), None);
        plan.on_signal(StopSignal::Term, at(11));
        assert_eq!(plan.due(at(16), true), Some(Action::Kill));
        assert_eq!(plan.due(at(17), true), Some(Action::GiveUp));
    }
}
