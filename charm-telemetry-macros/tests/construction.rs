//! Building an exporter from the environment, through the registry as the runner does.
//!
//! Rule: all problems are found in one go, and none shows a secret.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use charm_telemetry_core::{
    ByteSize, Environment, EnvironmentReader, HookResult, Registration, Registry, Secret, TelemetryExporter,
    VariableProblem, charm_exporter,
};

type Maybe<T> = Option<T>;
type Key = Secret;

/// Sends everything to one place.
///
/// It has a second paragraph,
/// of two lines.
#[charm_exporter("everything")]
#[derive(Clone, Debug, PartialEq)]
struct Everything {
    /// Where to send.
    #[env("EVERYTHING_HOST")]
    host: IpAddr,
    /** Opens the door. */
    #[env("EVERYTHING_KEY", "OLD_EVERYTHING_KEY")]
    key: Key,
    #[env("EVERYTHING_SECOND_KEY")]
    second_key: std::option::Option<Key>,
    #[env("EVERYTHING_TIMEOUT", default = "5s")]
    timeout: Duration,
    #[env("EVERYTHING_PAUSE")]
    pause: Maybe<Duration>,
    #[env("EVERYTHING_LIMIT", default = "64KiB")]
    limit: ByteSize,
    #[env("EVERYTHING_COMPRESS", default = "yes")]
    compress: bool,
    #[env("EVERYTHING_VERBOSE")]
    verbose: Option<bool>,
    calls: u64,
}

thread_local! {
    static BUILT: RefCell<Option<Everything>> = const { RefCell::new(None) };
}

impl TelemetryExporter for Everything {
    fn shutdown(&mut self, _deadline: Duration) -> HookResult {
        BUILT.set(Some(self.clone()));
        Ok(())
    }
}

/// Has a default that cannot be read.
#[charm_exporter("careless")]
struct Careless {
    #[env("CARELESS_TIMEOUT", default = "5 parsecs")]
    timeout: Duration,
}

impl TelemetryExporter for Careless {
    fn shutdown(&mut self, deadline: Duration) -> HookResult {
        if self.timeout > deadline { Err("too long".into()) } else { Ok(()) }
    }
}

/// Needs one of two.
#[charm_exporter("choosy")]
struct Choosy {
    #[env("CHOOSY_KEY")]
    key: Option<Secret>,
    #[env("CHOOSY_AGENT")]
    agent: Option<IpAddr>,
}

impl TelemetryExporter for Choosy {
    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        if self.key.is_none() && self.agent.is_none() {
            reader.problem("CHOOSY_KEY", "needs `CHOOSY_KEY` or `CHOOSY_AGENT`");
        }
        if reader.environment().get("CHOOSY_OFF").is_some() {
            reader.problem("CHOOSY_OFF", "`CHOOSY_OFF` is no more");
        }
    }
}

fn registered(name: &str) -> &'static Registration {
    Registry::linked().expect("no two names are the same").get(name).expect("it is in this file")
}

fn build(name: &str, pairs: &[(&str, &str)]) -> (Option<Box<dyn TelemetryExporter>>, Vec<VariableProblem>) {
    let environment = Environment::from_pairs(pairs.iter().copied());
    let mut reader = EnvironmentReader::new(&environment);
    let built = (registered(name).build)(&mut reader);
    (built, reader.into_problems())
}

fn everything(pairs: &[(&str, &str)]) -> Everything {
    let needed = [("EVERYTHING_HOST", "127.0.0.1"), ("EVERYTHING_KEY", "k")];
    let pairs: Vec<_> = needed.into_iter().chain(pairs.iter().copied()).collect();
    let (built, problems) = build("everything", &pairs);
    assert_eq!(problems, []);
    built.expect("nothing was wrong").shutdown(Duration::ZERO).expect("it never fails");
    BUILT.take().expect("shutdown shows it")
}

fn messages(name: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let (built, problems) = build(name, pairs);
    assert!(built.is_none(), "an exporter with problems must not start");
    problems.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn fields_are_read_defaulted_or_left_out() {
    let built = everything(&[]);
    let expected = Everything {
        host: IpAddr::from([127, 0, 0, 1]),
        key: Secret::new("k"),
        second_key: None,
        timeout: Duration::from_secs(5),
        pause: None,
        limit: ByteSize::new(65_536),
        compress: true,
        verbose: None,
        calls: 0,
    };
    assert_eq!(built, expected);
}

#[test]
fn what_is_set_wins_over_defaults() {
    let built = everything(&[
        ("EVERYTHING_SECOND_KEY", "k2"),
        ("EVERYTHING_TIMEOUT", "1m30s"),
        ("EVERYTHING_PAUSE", "250ms"),
        ("EVERYTHING_LIMIT", "10MB"),
        ("EVERYTHING_COMPRESS", "Off"),
        ("EVERYTHING_VERBOSE", "1"),
    ]);
    assert_eq!(built.second_key, Some(Secret::new("k2")));
    assert_eq!(built.timeout, Duration::from_secs(90));
    assert_eq!(built.pause, Some(Duration::from_millis(250)));
    assert_eq!(built.limit, ByteSize::new(10_000_000));
    assert!(!built.compress);
    assert_eq!(built.verbose, Some(true));
}

#[test]
fn an_alias_is_used_if_the_first_name_is_not_set() {
    let (built, problems) = build("everything", &[("EVERYTHING_HOST", "::1"), ("OLD_EVERYTHING_KEY", "old")]);
    assert_eq!(problems, []);
    built.unwrap().shutdown(Duration::ZERO).expect("it never fails");
    assert_eq!(BUILT.take().unwrap().key.expose(), "old");
}

#[test]
fn the_first_name_wins_over_its_alias() {
    assert_eq!(everything(&[("OLD_EVERYTHING_KEY", "old")]).key.expose(), "k");
}

#[test]
fn a_variable_that_is_empty_is_not_set() {
    assert_eq!(everything(&[("EVERYTHING_TIMEOUT", "")]).timeout, Duration::from_secs(5));
}

#[test]
fn every_missing_and_every_bad_value_is_reported_at_once() {
    let messages = messages(
        "everything",
        &[
            ("EVERYTHING_HOST", "localhost"),
            ("EVERYTHING_TIMEOUT", "-5s"),
            ("EVERYTHING_PAUSE", "soon"),
            ("EVERYTHING_LIMIT", "10 potatoes"),
            ("EVERYTHING_VERBOSE", "maybe"),
        ],
    );
    assert_eq!(
        messages,
        [
            "`EVERYTHING_HOST` is `localhost`: invalid IP address syntax",
            "needs `EVERYTHING_KEY` (or `OLD_EVERYTHING_KEY`): Opens the door; none is set",
            "`EVERYTHING_TIMEOUT` is `-5s`: a duration cannot be negative",
            "`EVERYTHING_PAUSE` is `soon`: not a duration; write for example `5s`, `250ms` or `1h30m` \
             (a bare number is seconds)",
            "`EVERYTHING_LIMIT` is `10 potatoes`: unknown unit `potatoes`; \
             use `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`",
            "`EVERYTHING_VERBOSE` is `maybe`: not a boolean; write `true` or `false`",
        ]
    );
}

#[test]
fn a_default_that_cannot_be_read_is_the_exporters_mistake() {
    assert_eq!(
        messages("careless", &[]),
        ["the default of `CARELESS_TIMEOUT`, `5 parsecs`, cannot be read: unknown unit `parsecs`; \
          use `us`, `ms`, `s`, `m`, `h` or `d`, as in `1m30s`; set the variable, and tell the exporter's author"]
    );
    assert_eq!(build("careless", &[("CARELESS_TIMEOUT", "1s")]).1, []);
}

#[test]
fn the_descriptor_has_the_words_of_the_author() {
    let descriptor = registered("everything").descriptor;
    let doc = "Sends everything to one place.\n\nIt has a second paragraph,\nof two lines.";
    assert_eq!(descriptor.doc, doc);
    let docs: Vec<_> = descriptor.variables.iter().map(|variable| variable.doc).collect();
    assert_eq!(docs, ["Where to send.", "Opens the door.", "", "", "", "", "", ""]);
}

#[test]
fn the_descriptor_says_what_is_required_secret_and_default() {
    let of = |variable: &charm_telemetry_core::VariableDescriptor| {
        (variable.names[0], variable.required, variable.secret, variable.default)
    };
    let variables: Vec<_> = registered("everything").descriptor.variables.iter().map(of).collect();
    assert_eq!(
        variables,
        [
            ("EVERYTHING_HOST", true, false, None),
            ("EVERYTHING_KEY", true, true, None),
            ("EVERYTHING_SECOND_KEY", false, true, None),
            ("EVERYTHING_TIMEOUT", false, false, Some("5s")),
            ("EVERYTHING_PAUSE", false, false, None),
            ("EVERYTHING_LIMIT", false, false, Some("64KiB")),
            ("EVERYTHING_COMPRESS", false, false, Some("yes")),
            ("EVERYTHING_VERBOSE", false, false, None),
        ]
    );
}

#[test]
fn what_the_fields_say_together_keeps_an_exporter_from_being_built() {
    assert!(build("choosy", &[("CHOOSY_KEY", "sesame")]).0.is_some());
    let (built, problems) = build("choosy", &[("CHOOSY_AGENT", "nowhere"), ("CHOOSY_OFF", "1")]);
    let variables: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
    assert!(built.is_none());
    assert_eq!(variables, ["CHOOSY_AGENT", "CHOOSY_KEY", "CHOOSY_OFF"]);
}
