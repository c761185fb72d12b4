//! `charm-runner run`: the command line of a run.
//!
//! Rule: everything that can be known to be wrong is said before anything starts.

use std::fs;

use charm_telemetry_core::Report;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cli::{InputArgs, ReportFormat, RunArgs};
use crate::exit::Exit;
use crate::project::Project;
use crate::run::{Case, Place, Plan, Started, all_problems};
use crate::words::say;

pub(super) fn run(arguments: &RunArgs) -> Exit {
    let cases = match cases(&arguments.input) {
        Ok(cases) => cases,
        Err(message) => {
            say(message);
            return Exit::Usage;
        }
    };
    let project = match Project::read(&arguments.project) {
        Ok(project) => project,
        Err(faulty) => {
            say(all_problems(*faulty, Place::Here).sorted());
            return Exit::Configuration;
        }
    };
    if !project.warnings.is_empty() {
        say(&project.warnings);
    }
    let started = match Started::new(project) {
        Ok(started) => started,
        Err(refusal) => {
            say(refusal.text());
            return refusal.exit();
        }
    };
    let plan = Plan { print_result: arguments.input.json.is_some(), fail_on_error: arguments.fail_on_error };
    let (exit, report) = started.run_all(&cases, plan);
    match arguments.telemetry_report {
        Some(ReportFormat::Text) => {
            say(report);
            deliveries().into_iter().for_each(say);
        }
        Some(ReportFormat::Json) => {
            let whole = WholeReport { report, deliveries: deliveries() };
            say(serde_json::to_string(&whole).expect("counts and names can be written"));
        }
        None => {}
    }
    exit
}

/// What became of every event, and of what exporters made of them.
#[derive(Serialize)]
struct WholeReport {
    #[serde(flatten)]
    report: Report,
    deliveries: Vec<Delivered>,
}

/// The account of one destination: its unit is what is sent, a span for example.
#[cfg(feature = "delivery")]
type Delivered = charm_telemetry_core::delivery::DeliveryReport;

#[cfg(feature = "delivery")]
fn deliveries() -> Vec<Delivered> {
    charm_telemetry_core::delivery::reports()
}

/// Without exporters that send there is none.
#[cfg(not(feature = "delivery"))]
type Delivered = String;

#[cfg(not(feature = "delivery"))]
fn deliveries() -> Vec<Delivered> {
    Vec::new()
}

fn cases(input: &InputArgs) -> Result<Vec<Case>, String> {
    let case = |input: Box<RawValue>| vec![Case { name: None, input: object(input) }];
    match input {
        InputArgs { json: Some(json), .. } => {
            // Read as a whole, too: numbers and escapes that no agent could be given are refused here.
            let whole = serde_json::from_str::<serde_json::Value>(json);
            let input = whole.and_then(|_| RawValue::from_string(json.clone()));
            input.map(case).map_err(|error| {
                format!("--json is not JSON: {error}; put single quotes around it in a shell")
            })
        }
        InputArgs { input: Some(text), .. } => {
            let input = serde_json::value::to_raw_value(&serde_json::json!({ "input": text }));
            Ok(case(input.expect("an object with a string")))
        }
        InputArgs { input_file: Some(path), .. } => {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("--input-file {}: {error}", path.display()))?;
            read_cases(&text).map_err(|error| format!("--input-file {}: {error}", path.display()))
        }
        _ => Ok(case(RawValue::from_string("{}".to_owned()).expect("an empty object"))),
    }
}

/// Agents get an object: what is none is wrapped, and nothing becomes an empty one.
fn object(input: Box<RawValue>) -> Box<RawValue> {
    let json = match input.get() {
        "null" => "{}".to_owned(),
        object if object.starts_with('{') => return input,
        other => format!("{{\"input\":{other}}}"),
    };
    RawValue::from_string(json).expect("checked JSON in an object")
}

fn read_cases(text: &str) -> Result<Vec<Case>, String> {
    #[derive(Deserialize)]
    struct Entry {
        name: Option<String>,
        input: Box<RawValue>,
    }
    let entries: Vec<Entry> = serde_json::from_str(text)
        .map_err(|error| format!("{error}; expected an array of {{\"name\": .., \"input\": ..}}"))?;
    if entries.is_empty() {
        return Err("the array is empty; put a case into it".to_owned());
    }
    Ok(entries.into_iter().map(|Entry { name, input }| Case { name, input: object(input) }).collect())
}
