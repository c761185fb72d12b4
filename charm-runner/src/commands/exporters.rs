//! `charm-runner exporters`: what is compiled in.
//!
//! Rule: shows names, documentation and whether a variable is set; never a value.

use std::fmt::Write as _;

use charm_telemetry_core::trace::TelemetrySettings;
use charm_telemetry_core::{Environment, ExporterDescriptor, Registry, VariableDescriptor};
use serde::Serialize;

use crate::cli::ExportersArgs;
use crate::exit::Exit;
use crate::stderr::say;

/// What the runner itself reads for all of them.
const RUNNER_VARIABLES: &[VariableDescriptor] = &[
    VariableDescriptor {
        names: &["CHARM_TELEMETRY_ON_ERROR"],
        doc: "What happens if an exporter cannot be activated: `refuse` to run, or `warn` and run without it.",
        default: Some("refuse"),
        required: false,
        secret: false,
    },
    VariableDescriptor {
        names: &["CHARM_TELEMETRY_SHUTDOWN_TIMEOUT"],
        doc: "Seconds that the exporters have to finish after the last run.",
        default: Some("5"),
        required: false,
        secret: false,
    },
];

#[derive(Serialize)]
struct Exporter<'a> {
    name: &'a str,
    r#type: &'a str,
    #[serde(rename = "crate")]
    package: &'a str,
    version: &'a str,
    description: &'a str,
    variables: Vec<Variable<'a>>,
    /// What every exporter obeys besides.
    shared_variables: Vec<Variable<'a>>,
}

#[derive(Serialize)]
struct Variable<'a> {
    names: &'a [&'a str],
    description: &'a str,
    required: bool,
    default: Option<&'a str>,
    secret: bool,
    set: bool,
}

pub(super) fn exporters(arguments: &ExportersArgs) -> Exit {
    let registry = match Registry::linked() {
        Ok(registry) => registry,
        Err(error) => {
            say(error);
            return Exit::Configuration;
        }
    };
    let environment = Environment::from_process();
    let exporters: Vec<_> =
        registry.iter().map(|entry| Exporter::of(entry.descriptor, &environment)).collect();
    let text = if arguments.json {
        let json = serde_json::to_string_pretty(&exporters).expect("names and texts can always be written");
        json + "\n"
    } else {
        list(&exporters)
    };
    super::print(text.as_bytes())
}

impl<'a> Exporter<'a> {
    fn of(descriptor: &'a ExporterDescriptor, environment: &Environment) -> Self {
        Self {
            name: descriptor.name,
            r#type: descriptor.type_name,
            package: descriptor.crate_name,
            version: descriptor.crate_version,
            description: descriptor.doc,
            variables: listed(descriptor.variables, environment).collect(),
            shared_variables: shared(environment),
        }
    }
}

/// The variables of the runner, of the settings for all exporters, and of the delivery.
fn shared(environment: &Environment) -> Vec<Variable<'static>> {
    let runner = listed(RUNNER_VARIABLES, environment);
    runner.chain(listed(TelemetrySettings::VARIABLES, environment)).chain(of_delivery(environment)).collect()
}

#[cfg(feature = "delivery")]
fn of_delivery(environment: &Environment) -> impl Iterator<Item = Variable<'static>> {
    listed(charm_telemetry_core::delivery::DeliveryConfig::VARIABLES, environment)
}

/// Without exporters that send there are none.
#[cfg(not(feature = "delivery"))]
fn of_delivery(_: &Environment) -> impl Iterator<Item = Variable<'static>> {
    std::iter::empty()
}

fn listed(
    variables: &'static [VariableDescriptor],
    environment: &Environment,
) -> impl Iterator<Item = Variable<'static>> {
    variables.iter().map(|variable| Variable {
        names: variable.names,
        description: variable.doc,
        required: variable.required,
        default: variable.default,
        secret: variable.secret,
        set: variable.names.iter().any(|name| environment.get(name).is_some()),
    })
}

fn list(exporters: &[Exporter<'_>]) -> String {
    if exporters.is_empty() {
        return "No exporters are compiled in.\n".to_owned();
    }
    let mut text = String::new();
    for exporter in exporters {
        let Exporter { name, package, version, description, .. } = exporter;
        writeln!(text, "{name}  ({package} {version})").expect("a string takes every text");
        description.lines().for_each(|line| text.extend(["  ", line, "\n"]));
        exporter.variables.iter().for_each(|variable| text.push_str(&describe(variable)));
        text.push('\n');
    }
    text.push_str("every exporter  (what concerns spans or sending: each that has to do with it)\n");
    exporters[0].shared_variables.iter().for_each(|variable| text.push_str(&describe(variable)));
    text.push('\n');
    text.push_str("Activate one by naming it under `runtime.telemetry` in charm.yaml.\n");
    text
}

fn describe(variable: &Variable<'_>) -> String {
    let kind = match (variable.required, variable.default) {
        (true, _) => "required".to_owned(),
        (false, Some(default)) => format!("default {default}"),
        (false, None) => "optional".to_owned(),
    };
    let secret = if variable.secret { ", secret" } else { "" };
    let set = if variable.set { "set" } else { "not set" };
    let mut text = format!("    {}  [{kind}{secret}; {set}]\n", variable.names.join(" or "));
    variable.description.lines().for_each(|line| text.extend(["        ", line, "\n"]));
    text
}
