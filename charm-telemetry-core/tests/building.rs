//! Exporters that cannot be built, or not beside each other.
//!
//! Rule: what is wrong with one is told with all that is wrong with the others, and never with a secret in it. These tests
//! have a process of their own, because they listen to its panic hook before the first manager does.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::trace::TelemetrySettings;
use charm_telemetry_core::{
    Environment, EnvironmentReader, ExporterDescriptor, Factory, HookContext, HookResult, Manager,
    ManagerBuilder, OnError, Problems, RawValue, Registration, Registry, TelemetryExporter,
    VariableDescriptor,
};

const SECRET: &str = "sk-very-secret";

/// What the panic hook has printed in this process.
static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Does nothing wrong, and counts the runs that have begun.
#[derive(Clone, Default)]
struct Fine(Arc<Mutex<u64>>);

impl TelemetryExporter for Fine {
    fn on_run_start(&mut self, _cx: &HookContext<'_>, _inputs: &RawValue) -> HookResult {
        *self.0.lock().expect("nobody panics in here") += 1;
        Ok(())
    }
}

/// Panics when it is given the settings, or when it is dropped.
struct Odd {
    in_configure: bool,
}

impl TelemetryExporter for Odd {
    fn configure(&mut self, _settings: &Arc<TelemetrySettings>) {
        assert!(!self.in_configure, "no settings with {SECRET}");
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        panic!("not dropped with {SECRET}");
    }
}

const fn descriptor(name: &'static str, type_name: &'static str) -> ExporterDescriptor {
    const KEY: VariableDescriptor = VariableDescriptor {
        names: &["ODD_KEY"],
        default: None,
        required: true,
        secret: true,
        doc: "The key.",
    };
    let (crate_name, crate_version, doc) = ("tests", "0", "");
    ExporterDescriptor { name, type_name, crate_name, crate_version, doc, variables: &[KEY] }
}

static CONSTRUCTOR: ExporterDescriptor = descriptor("constructor", "tests::Constructor");
static CONFIGURE: ExporterDescriptor = descriptor("configure", "tests::Configure");
static FINE: ExporterDescriptor = descriptor("fine", "tests::Fine");

const PANICS: Factory = |reader| panic!("no such key: {}", key(reader));
const ODD: Factory = |_| Some(Box::new(Odd { in_configure: true }));
const WORKS: Factory = |_| Some(Box::new(Fine::default()));

static REGISTRATIONS: [Registration; 3] = [
    Registration { descriptor: &CONSTRUCTOR, build: PANICS },
    Registration { descriptor: &CONFIGURE, build: ODD },
    Registration { descriptor: &FINE, build: WORKS },
];

fn key(reader: &EnvironmentReader<'_>) -> String {
    reader.environment().get("ODD_KEY").unwrap_or_default().to_owned()
}

fn builder() -> ManagerBuilder {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PRINTED.lock().expect("nobody panics in here").push(info.to_string());
            previous(info);
        }));
    });
    Manager::builder()
        .environment(Environment::from_pairs([("ODD_KEY", SECRET)]))
        .registry(Registry::from_slice(&REGISTRATIONS).unwrap())
        .stdout(MemoryWriter::new())
        .on_notice(|_| {})
}

fn all_wrong() -> ManagerBuilder {
    ["constructor", "datadgo", "configure", "fine"].into_iter().fold(builder(), ManagerBuilder::activate)
}

#[track_caller]
fn assert_told(problems: &Problems) {
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "exporter `constructor` panicked while it was built: no such key: [ODD_KEY_REDACTED]; tell its author, or take it out",
            "unknown exporter `datadgo`; compiled in: configure, constructor, fine",
            "exporter `configure` panicked while it was built: no settings with [ODD_KEY_REDACTED]; tell its author, or take it out",
        ]
    );
}

#[test]
fn a_panic_while_an_exporter_is_built_is_a_problem_like_any_other() {
    assert_told(&all_wrong().check());
    assert_told(&all_wrong().start().unwrap_err());
    let own = builder().exporter("mine", Odd { in_configure: true }).start().unwrap_err();
    assert!(own.to_string().starts_with("exporter `mine` panicked while it was built: "), "{own}");
    let printed = PRINTED.lock().unwrap();
    assert!(!printed.iter().any(|line| line.contains(SECRET)), "{printed:?}");
}

#[test]
fn with_warn_the_others_run_and_every_run_says_what_is_missing() {
    let manager = all_wrong().on_error(OnError::Warn).start().unwrap();
    assert_told(manager.warnings());
    manager.start_run(&"hi").finish("hello");
    let report = manager.shutdown(Duration::from_secs(5));
    assert!(report.is_balanced(), "{report}");
    assert_eq!(report.exporters.len(), 1);
    assert_eq!((&*report.exporters[0].exporter, report.exporters[0].outcomes.delivered), ("fine", 1));
    // The four events of the run, and a status for each that is not there.
    assert_eq!(report.events, 4 + 3);
}

#[test]
fn two_exporters_of_one_name_are_refused_with_both_types() {
    let own = std::any::type_name::<Fine>();
    let expected = format!("two exporters are named `fine`: tests::Fine and {own}; rename one of them");
    let twins = || builder().activate("fine").exporter("fine", Fine::default());
    assert_eq!(twins().check().to_string(), expected);
    assert_eq!(twins().start().unwrap_err().to_string(), expected);

    let both_own = builder().exporter("mine", Odd { in_configure: false }).exporter("mine", Fine::default());
    let odd = std::any::type_name::<Odd>();
    let expected = format!("two exporters are named `mine`: {odd} and {own}; rename one of them");
    assert_eq!(both_own.start().unwrap_err().to_string(), expected);
}

#[test]
fn with_warn_the_first_of_two_of_one_name_runs() {
    let second = Fine::default();
    let builder = builder().exporter("fine", second.clone()).activate("fine").on_error(OnError::Warn);
    let manager = builder.start().unwrap();
    assert_eq!(manager.warnings().len(), 1);
    manager.start_run(&"hi").finish("hello");
    let report = manager.shutdown(Duration::from_secs(5));
    assert_eq!(report.exporters.len(), 1);
    assert_eq!(*second.0.lock().unwrap(), 0, "what is listed goes before what the program brings along");
}
