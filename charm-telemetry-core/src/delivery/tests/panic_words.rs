//! What a panic of a destination says may hold a secret.
//!
//! Rule: it is looked for in everything that a process writes.

use std::process::Command;
use std::time::Duration;

use crate::delivery::{
    Body, Delivery, DeliveryConfig, DeliveryHandle, Destination, EncodeError, Item, Limits, Request, Sending,
    reports,
};
use crate::testing::MemoryWriter;
use crate::{Environment, HookContext, HookResult, Manager, RawValue, TelemetryExporter};

const CHILD: &str = "CHARM_TEST_PANIC_WORDS";

/// Panics with its key.
struct Tattler;

impl Destination for Tattler {
    fn name(&self) -> &'static str {
        "tattler"
    }

    fn identity(&self) -> String {
        String::new()
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        Ok(Body::json(items[0].bytes()))
    }

    fn request(&self, _: &Sending<'_>) -> Request {
        panic!("the key sesame-opens is not to my taste")
    }
}

#[derive(Default)]
struct Exporter(Option<DeliveryHandle>);

impl TelemetryExporter for Exporter {
    fn on_run_start(&mut self, _: &HookContext<'_>, _: &RawValue) -> HookResult {
        let handle = Delivery::start(Tattler, DeliveryConfig::default())?;
        handle.send(Item::new(*b"{}"));
        self.0 = Some(handle);
        Ok(())
    }

    fn shutdown(&mut self, deadline: Duration) -> HookResult {
        self.0.take().map(|handle| handle.shutdown(deadline));
        Ok(())
    }
}

#[test]
fn what_a_panic_of_a_destination_says_is_told_once_without_secrets_and_not_by_the_panic_hook() {
    if std::env::var_os(CHILD).is_some() {
        child();
    }
    let test = "delivery::tests::panic_words::what_a_panic_of_a_destination_says_is_told_once_without_secrets_and_not_by_the_panic_hook";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let told = "charm: tattler: the code that makes requests of the exporter panicked: the key ";
    assert_eq!(err.matches(told).count(), 1, "{err}");
    assert!(err.contains(" is not to my taste"), "{err}");
    assert!(!err.contains("panicked at"), "the panic hook has said something: {err}");
    assert!(out.contains("delivered=0 spooled=0 dropped=1 exporter_panic=1 panics=1 requests=0"), "{out}");
    assert!(!out.contains("sesame") && !err.contains("sesame"), "{out}{err}");
}

fn child() -> ! {
    let manager = Manager::builder()
        .environment(Environment::from_pairs([("ACCOUNT", "sesame-opens")]))
        .redact(["ACCOUNT"])
        .stdout(MemoryWriter::new())
        .exporter("tattler", Exporter::default())
        .start()
        .unwrap();
    manager.start_run(&"x").finish("y");
    manager.shutdown(Duration::from_secs(10));
    println!("\n{}", reports()[0]);
    std::process::exit(0);
}
