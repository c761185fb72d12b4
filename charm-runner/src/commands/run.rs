//! `charm-runner run`: the command line of a run.
//!
//! Rule: everything that can be known to be wrong is said before anything starts.

use std::fs;
use std::io::{self, ErrorKind};

use charm_telemetry_core::Report;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cli::{InputArgs, ReportFormat, RunArgs};
use crate::exit::Exit;
use crate::json_input::{JsonInput, strict_of_same_length};
use crate::project::Project;
use crate::run::{Case, CutOutput, Place, Plan, Started, all_problems};
use crate::stderr::say;

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
    let limits = started.line_limits();
    let (exit, report, cut) = started.run_all(&cases, plan);
    match arguments.telemetry_report {
        Some(ReportFormat::Text) => {
            say(report);
            cut.sentences(limits).into_iter().for_each(say);
            deliveries().into_iter().for_each(say);
        }
        Some(ReportFormat::Json) => {
            let whole = WholeReport { report, cut, deliveries: deliveries() };
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
    /// What was too long to be an event, a line or a result.
    cut: CutOutput,
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
    let case = |input| vec![Case { name: None, input }];
    match input {
        InputArgs { json: Some(json), .. } => JsonInput::read(json)
            .map(case)
            .map_err(|error| format!("--json is not JSON: {error}; put single quotes around it in a shell")),
        InputArgs { input: Some(text), .. } => Ok(case(JsonInput::of_text(text))),
        InputArgs { input_file: Some(path), .. } => {
            let text = fs::read_to_string(path).map_err(|error| unreadable(&error));
            let cases = text.and_then(|text| read_cases(text.strip_prefix('\u{feff}').unwrap_or(&text)));
            cases.map_err(|error| format!("--input-file {}: {error}", path.display()))
        }
        _ => Ok(case(JsonInput::read("{}").expect("an empty object"))),
    }
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::InvalidData => "it is not UTF-8; save it with that encoding".to_owned(),
        ErrorKind::IsADirectory => "it is a folder; name the file in it".to_owned(),
        _ => error.to_string(),
    }
}

fn read_cases(text: &str) -> Result<Vec<Case>, String> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        name: Option<String>,
        #[serde(borrow)]
        input: &'a RawValue,
    }
    let strict = strict_of_same_length(text);
    let entries: Vec<Entry<'_>> = serde_json::from_str(&strict)
        .map_err(|error| format!("{error}; expected an array of {{\"name\": .., \"input\": ..}}"))?;
    if entries.is_empty() {
        return Err("the array is empty; put a case into it".to_owned());
    }
    let read = |(index, Entry { name, input }): (usize, Entry<'_>)| {
        let start = input.get().as_ptr().addr() - strict.as_ptr().addr();
        let input = JsonInput::read(&text[start..start + input.get().len()]);
        let input = input.map_err(|error| format!("the input of case {}: {error}", index + 1))?;
        Ok(Case { name, input })
    };
    entries.into_iter().enumerate().map(read).collect()
}
