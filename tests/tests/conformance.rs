//! Every agent through the reference and through ours.
//!
//! Rule: the differences are exactly those that `docs/protocol.md` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use charm_telemetry_tests::conformance::{Agent, Checked, check, differences};
use charm_telemetry_tests::requires::{self, Venv};

#[test]
fn every_agent_writes_what_the_reference_writes_but_for_the_listed_differences() {
    let Some(venv) = requires::venv() else { return };
    let Some(_node) = requires::program("node") else { return };
    let rows = differences();
    let (agents, absent) = runnable(&venv);
    let agents = Mutex::new(agents);
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || {
            while let Some((agent, venv)) = { agents.lock().unwrap().pop() } {
                let checked = check(&agent, &venv, &rows);
                all.lock().unwrap().push(checked);
            }
        };
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let mut all = all.into_inner().unwrap();
    all.sort_by(|a, b| a.agent.cmp(&b.agent));
    let problems: Vec<_> = all.iter().filter_map(problem).chain(unused(&all, &absent)).collect();
    assert!(
        problems.is_empty(),
        "{} of {} agents differ:\n{}",
        problems.len(),
        all.len(),
        problems.join("\n")
    );
}

/// Each agent with its environment, and the names of those whose environment is missing.
fn runnable(venv: &Venv) -> (Vec<(Agent, Venv)>, Vec<String>) {
    let all = Agent::all();
    let names: BTreeSet<_> = all.iter().filter_map(|agent| agent.environment.clone()).collect();
    let others: BTreeMap<_, _> =
        names.into_iter().filter_map(|name| Some((name.clone(), requires::venv_named(&name)?))).collect();
    let (mut agents, mut absent) = (Vec::new(), Vec::new());
    for agent in all {
        match agent.environment.as_ref().map_or(Some(venv), |name| others.get(name)) {
            Some(venv) => agents.push((agent, venv.clone())),
            None => absent.push(agent.name),
        }
    }
    (agents, absent)
}

fn problem(checked: &Checked) -> Option<String> {
    checked.problem.as_ref().map(|problem| format!("{}:\n{problem}", checked.agent))
}

/// A row that no agent shows any more, or an agent that a row names for nothing.
fn unused(all: &[Checked], absent: &[String]) -> Vec<String> {
    let shown = |id: &str, agent: &str| {
        absent.iter().any(|name| name == agent)
            || all.iter().any(|checked| {
                (agent == "*" || checked.agent == agent) && checked.used.iter().any(|used| used == id)
            })
    };
    let rows = differences();
    let named = rows.iter().flat_map(|row| row.agents.iter().map(move |agent| (&row.id, agent)));
    let unused = named.filter(|(id, agent)| !shown(id, agent));
    unused
        .map(|(id, agent)| format!("docs/protocol.md: `{agent}` doesn't show the difference `{id}`"))
        .collect()
}

#[test]
fn every_listed_difference_has_a_name_of_its_own_that_the_test_knows() {
    let rows = differences();
    let names: BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(names.len(), rows.len());
    for row in &rows {
        assert!(row.is_known(), "no rewrite for `{}`", row.id);
        assert!(!row.reference.is_empty() && !row.ours.is_empty(), "`{}` says too little", row.id);
    }
}

#[test]
fn there_are_agents_enough_to_mean_something() {
    let names: Vec<_> = Agent::all().into_iter().map(|agent| agent.name).collect();
    for expected in ["hello", "langgraph", "node", "class-invoke", "suspended", "rich-component"] {
        assert!(names.iter().any(|name| name == expected), "`{expected}` is gone");
    }
    assert!(names.len() >= 50, "only {} agents", names.len());
}
