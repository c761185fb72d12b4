//! The same manifests to the reference's own model and to ours: both must say the same of each.
//! One rule: the reference is run, once, over all of them; what it says is never written down here.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use charm_telemetry_core::Manifest;
use charm_telemetry_tests::requires::{self, Venv};

/// Says of each text in a JSON array whether the reference takes it. Its command line also refuses a blank entry
/// point for every adapter but `openclaw`; its model leaves that to the adapters, so it is added here.
const JUDGE: &str = r#"
import json, sys, yaml
from charm.contracts.uac import CharmConfig

def verdict(text):
    try:
        adapter = CharmConfig(**yaml.safe_load(text)).runtime.adapter
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if adapter.type != "openclaw" and not (adapter.entry_point or "").strip():
        return "no entry point"
    return None

json.dump([verdict(text) for text in json.load(sys.stdin)], sys.stdout)
"#;

/// What the reference has against each text.
fn reference(venv: &Venv, texts: &[String]) -> Vec<Option<String>> {
    let mut python = Command::new(venv.program("python3"))
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads everything before it writes anything.
    python.stdin.take().unwrap().write_all(&serde_json::to_vec(texts).unwrap()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the reference could not be asked");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How many of the texts both accept; panics with every text on which they differ.
#[track_caller]
fn check(venv: &Venv, texts: &[String]) -> usize {
    let verdicts = reference(venv, texts);
    assert_eq!(verdicts.len(), texts.len());
    let (mut accepted, mut differences) = (0, Vec::new());
    for (text, verdict) in texts.iter().zip(verdicts) {
        match (Manifest::parse(text.as_bytes(), "charm.yaml"), verdict) {
            (Ok(_), None) => accepted += 1,
            (Err(_), Some(_)) => {}
            (Ok(_), Some(why)) => differences.push(format!("--- only we accept; {why}\n{text}")),
            (Err(why), None) => differences.push(format!("--- only we refuse; {why}\n{text}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    accepted
}

/// Every key, with one value that is right for it; the required ones first.
const KEYS: &[(&str, &str)] = &[
    ("version", "'0.4'"),
    ("persona.name", "Weather"),
    ("persona.description", "Tells the weather"),
    ("interface.input", "{type: object}"),
    ("interface.output", "{}"),
    ("runtime.adapter.type", "python"),
    ("runtime.adapter.entry_point", "main:agent"),
    ("id", "x"),
    ("goals", "[be nice]"),
    ("workflow", "{a: [1, {b: c}]}"),
    ("persona.version", "1.2.3"),
    ("persona.full_description", "long"),
    ("persona.authors", "[a]"),
    ("persona.tags", "[]"),
    ("persona.license", "MIT"),
    ("persona.assets.icon", "icon.png"),
    ("persona.assets.screenshots", "[a, b]"),
    ("pricing.model", "one_time"),
    ("pricing.amount", "9.5"),
    ("pricing.billing_period", "annual"),
    ("pricing.trial.enabled", "yes"),
    ("pricing.trial.days", "\"3\""),
    ("auth.providers", "[{name: google, scopes: [email]}]"),
    ("interface.state.format", "binary"),
    ("interface.state.schema", "{a: b}"),
    ("interface.ui", "{}"),
    ("runtime.adapter.environment_variables", "[OPENAI_API_KEY, OTHER]"),
    ("runtime.telemetry", "[otlp]"),
    ("runtime.skills", "[{name: a, source: b, version: c, config: {}}]"),
    ("runtime.memory.provider", "local"),
    ("runtime.memory.config", "{}"),
    ("runtime.config.system_prompt", "be nice"),
    ("runtime.config.temperature", "0.5"),
    ("runtime.config.auto_install_dependencies", "off"),
    ("runtime.custom_image", "registry.example/agent:1"),
    ("runtime.mode", "full"),
    ("runtime.lifecycle", "daemon"),
    ("policies.allow_internet_access", "true"),
    ("policies.human_in_the_loop.enabled", "0"),
    ("policies.human_in_the_loop.triggers", "[pay]"),
    ("policies.max_steps", "5"),
    ("policies.budget_limit", "1"),
    ("policies.execution_timeout_seconds", "60"),
    ("unknown", "[{a: b}]"),
    ("runtime.unknown.deeper", "1"),
];
const REQUIRED: usize = 7;

/// Values that are right for some keys and wrong for others, and many that are a matter of YAML.
const VALUES: &[&str] = &[
    "",
    "~",
    "x",
    "''",
    "\" \"",
    "5",
    "0",
    "-1",
    "2",
    "1.0",
    "2.5",
    "'5'",
    "'5.0'",
    "'5.5'",
    "' 7 '",
    "'1_0'",
    "1_0",
    "1:30",
    "010",
    "0o10",
    "0x1F",
    "1e3",
    "1.0e+3",
    ".inf",
    ".nan",
    "'nan'",
    "'1e3'",
    "99999999999999999999",
    "yes",
    "no",
    "off",
    "y",
    "'y'",
    "'ON'",
    "'maybe'",
    "true",
    "nO",
    "2001-01-01",
    "2001-02-30",
    "[]",
    "{}",
    "[a]",
    "[a, 1]",
    "[a, ~]",
    "[no]",
    "[[a]]",
    "[{a: b}]",
    "{a: b}",
    "{1: b}",
    "{yes: b}",
    "{models: [A]}",
    "{models: A}",
    "{name: x}",
    "[{name: x}]",
    "[{name: x, source: y}]",
    "!!str 5",
    "!!int '5'",
    "!!int x",
    "!!binary YQ==",
    "!!set {a, b}",
    "!!omap [a: b]",
    "!foo x",
    "!!foo x",
    "! 5",
    "=",
    "<<",
    "{<<: {a: b}}",
    "{<<: x}",
    "{[a]: b}",
    "{a: 1, a: 2}",
    "&a [x]",
    "*nothing",
    "a: b",
    "'open",
    "[a",
    "@x",
    "'0.4'",
    "0.4",
    "0.4.9",
    "'0.5'",
    "1.2.3",
    "'1.2'",
    "free",
    "full",
    "standard",
    "json",
    "daemon",
    "monthly",
    "openclaw",
    "node",
    "|\n    text\n",
    ">-\n    12\n",
    "x # said",
    "[a?b]",
    "'5__0'",
    "'_5'",
    "'5_'",
    "'5.'",
    "'-5'",
    "'+5'",
    "'1_.5'",
    "'1__0.5'",
    "'inf'",
    "'1e'",
    "9223372036854775808.0",
    "0.5",
    "0.0",
    "'0.4.٣'",
    "\"0.4\\n\"",
    "!!binary MC40",
    "!!binary /w==",
    "!!binary Y",
    "!!bool 5",
    "!!float 1",
    "!!timestamp x",
    "!!map []",
    "!!seq {}",
    "!!null x",
    "!!pairs []",
    "!!omap [1]",
    "1:60",
    "0b11",
    "0x_",
    "-.5",
    "Null",
    "nULL",
    "{<<: [{a: 1}, {1: 2}]}",
    "{'<<': x}",
    "{=: 1}",
    "[!!binary YQ==]",
    "{!!binary YQ==: x}",
    "2001-01-01 10:00:00 +24:00",
    "\tx",
    "x\ty",
    "\"x\ty\"",
    "[\"äöü日本語äöü日本語\", \"x\ty\"]",
];

/// The same numbers in every run on every machine (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

/// Keys by path, in order; written as blocks.
type Pairs = Vec<(String, String)>;

fn valid(dice: &mut Dice) -> Pairs {
    let chosen = KEYS.iter().enumerate().filter(|(index, _)| *index < REQUIRED || dice.roll(4) == 0);
    chosen.map(|(_, (path, value))| ((*path).to_owned(), (*value).to_owned())).collect()
}

fn broken(dice: &mut Dice) -> Pairs {
    let mut pairs = valid(dice);
    for _ in 0..=dice.roll(3) {
        let value = VALUES[dice.roll(VALUES.len())].to_owned();
        let index = dice.roll(pairs.len());
        match dice.roll(6) {
            0 => drop(pairs.remove(index)),
            1 => pairs[index].0.push('x'),
            2 => pairs.push((KEYS[dice.roll(KEYS.len())].0.to_owned(), value)),
            _ => pairs[index].1 = value,
        }
    }
    pairs
}

/// The pairs as YAML: keys of one parent together, two spaces a level.
fn text(pairs: &Pairs, indent: usize) -> String {
    let mut text = String::new();
    let mut done: Vec<&str> = Vec::new();
    for (path, value) in pairs {
        let (head, rest) =
            path.split_once('.').map_or((path.as_str(), None), |(head, rest)| (head, Some(rest)));
        if rest.is_none() {
            text.extend([" ".repeat(indent).as_str(), head, ": ", value, "\n"]);
        } else if !done.contains(&head) {
            done.push(head);
            let below = |(path, value): &(String, String)| {
                Some((path.strip_prefix(head)?.strip_prefix('.')?.to_owned(), value.clone()))
            };
            let below: Pairs = pairs.iter().filter_map(below).collect();
            text.extend([" ".repeat(indent).as_str(), head, ":\n", &self::text(&below, indent + 2)]);
        }
    }
    text
}

#[test]
fn every_generated_manifest_is_accepted_or_refused_as_the_reference_does() {
    let Some(venv) = requires::venv() else { return };
    let mut dice = Dice(0x5eed_c0de_0001);
    let good: Vec<_> = (0..150).map(|_| text(&valid(&mut dice), 0)).collect();
    assert_eq!(check(&venv, &good), good.len(), "what is meant to be valid is");
    let bad: Vec<_> = (0..1_350).map(|_| text(&broken(&mut dice), 0)).collect();
    let accepted = check(&venv, &bad);
    // Some changes do no harm: both outcomes must be well represented, or the comparison says little.
    assert!((100..1_250).contains(&accepted), "{accepted} of {} accepted", bad.len());
}

#[test]
fn every_value_under_every_key_is_accepted_or_refused_as_the_reference_does() {
    let Some(venv) = requires::venv() else { return };
    let base: Pairs =
        KEYS[..REQUIRED].iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let mut texts = Vec::new();
    for (path, _) in KEYS {
        for value in VALUES {
            let mut pairs = base.clone();
            pairs.retain(|(other, _)| other != path);
            pairs.push(((*path).to_owned(), (*value).to_owned()));
            texts.push(text(&pairs, 0));
        }
    }
    assert!(check(&venv, &texts) > 500);
}
