//! Whatever an agent does, LangSmith takes it.
//!
//! Rule: any events give runs that the checker accepts, the same in both bodies, and each exactly once.

use std::time::{Duration, SystemTime};

use charm_telemetry_core::delivery::Item;
use charm_telemetry_core::trace::{Moment, TelemetrySettings, TraceAssembler, TraceLimits, TraceOutput};
use charm_telemetry_core::{CallId, EventTime, LlmEnd, LlmStart, RawValue, RunId, StreamEvent};
use proptest::prelude::*;
use serde_json::value::to_raw_value;

use super::checker;
use super::support::{Harness, KEY};
use crate::encode::Encoder;
use crate::run_parts::{Operation, RunParts};
use crate::{batch, multipart};

/// One thing that an agent does: a kind, the call, the call around it, nanoseconds later, a text.
type Step = (u8, u32, u32, u64, String);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let json = prop::sample::select(vec![
        r#"{"a":1e400,"b":[99999999999999999999]}"#,
        r#""\ud800""#,
        "[\"a\",\r\n\"b\"]",
        "[{\"role\":\"user\"}]",
        "null",
        "--charm-telemetry\r\n\r\n",
        "{\n}",
    ]);
    let text = prop_oneof![".{0,40}", json.prop_map(str::to_owned)];
    prop::collection::vec((0_u8..10, 1_u32..6, 0_u32..6, 0_u64..5_000_000, text), 0..30)
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| to_raw_value(text).unwrap())
}

fn drive(trace: &mut TraceAssembler, run: RunId, steps: &[Step]) {
    let ids = call_ids();
    let wall = SystemTime::UNIX_EPOCH + Duration::new(1_795_365_847, 999_999_123);
    let mut passed = Duration::ZERO;
    let mut last = None;
    for (kind, call, parent, later, text) in steps {
        passed += Duration::from_nanos(*later);
        let time = EventTime { wall: wall + passed, monotonic: passed };
        let id = |number: u32| number.checked_sub(1).and_then(|index| ids.get(index as usize)).copied();
        let (call, parent) = (id(*call), id(*parent));
        let moment = Moment { run, call, parent: parent.filter(|parent| Some(*parent) != call), time };
        last = Some(time);
        match kind {
            0 => trace.run_start(moment, &json(text)),
            1 => trace.tool_start(moment, text, text),
            2 => trace.tool_end(moment, text, text),
            3 => trace.tool_error(moment, text, text),
            4 => trace.llm_start(moment, &LlmStart::new(text.clone()).provider("p").input(&*json(text))),
            5 => trace.llm_new_token(moment, text),
            6 => trace.llm_end(moment, &LlmEnd::new().output(&*json(text))),
            7 => trace.agent_action(moment, text, text),
            8 => trace.retriever_end(moment, &json(text)),
            _ => trace.stream_event(moment, &StreamEvent::suspended(&json(text), &json(text))),
        }
    }
    trace.close_all(last.unwrap_or(EventTime { wall, monotonic: passed }));
}

fn call_ids() -> Vec<CallId> {
    let mut harness = harness();
    (0..6).map(|_| harness.new_call()).collect()
}

fn harness() -> Harness {
    let environment = charm_telemetry_core::Environment::from_pairs([("LANGSMITH_API_KEY", KEY)]);
    Harness::from_environment(&environment).ok().unwrap()
}

fn encoder() -> Encoder {
    Encoder::new(harness().exporter(), &TelemetrySettings::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_an_agent_does_is_accepted(steps in steps()) {
        let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
        drive(&mut trace, RunId::new(), &steps);
        let (encoder, mut items): (_, Vec<Item>) = (encoder(), Vec::new());
        while let Some(TraceOutput::Finished(span)) = trace.next_output() {
            items.push(encoder.finished(&span, Operation::Post));
        }
        prop_assert_eq!(accepted(&items)?, items.len());
    }

    #[test]
    fn so_it_is_where_runs_are_posted_early(steps in steps()) {
        let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default()).report_starts(true);
        drive(&mut trace, RunId::new(), &steps);
        let (encoder, mut begun, mut ended) = (encoder(), Vec::new(), Vec::new());
        let mut known = std::collections::BTreeSet::new();
        while let Some(output) = trace.next_output() {
            match output {
                TraceOutput::Started(span) => {
                    known.insert(span.head.uuid());
                    begun.push(encoder.started(&span));
                }
                TraceOutput::Finished(span) => {
                    let is_known = known.contains(&span.head.uuid());
                    let operation = if is_known { Operation::Patch } else { Operation::Post };
                    ended.push(encoder.finished(&span, operation));
                }
            }
        }
        prop_assert_eq!(accepted(&begun)?, begun.len());
        prop_assert_eq!(accepted(&ended)?, ended.len());
        let together: Vec<Item> = begun.into_iter().chain(ended.iter().cloned()).collect();
        prop_assert_eq!(accepted(&together)?, ended.len(), "each beginning is in its end");
        let parts = RunParts::of_items(&together).unwrap();
        prop_assert!(parts.iter().all(|run| run.operation == Operation::Post && run.main.contains("\"end_time\"")));
    }
}

/// How many runs arrive, by either body.
fn accepted(items: &[Item]) -> Result<usize, TestCaseError> {
    if items.is_empty() {
        return Ok(0);
    }
    let parts = RunParts::of_items(items).unwrap();
    let body = multipart::body(&parts);
    let runs = checker::multipart(multipart::CONTENT_TYPE, &body).map_err(TestCaseError::fail)?;
    let same = checker::batch(&batch::body(&parts)).map_err(TestCaseError::fail)?;
    prop_assert_eq!(runs.len(), same.len());
    for run in &runs {
        run.check_tokens().map_err(TestCaseError::fail)?;
        let twin = same.iter().find(|twin| (twin.id, &twin.operation) == (run.id, &run.operation));
        let twin = twin.ok_or_else(|| TestCaseError::fail("it is in one body alone"))?;
        prop_assert_eq!((&run.main, &run.fields), (&twin.main, &twin.fields));
    }
    let sizes =
        parts.iter().map(|run| run.main.len() + run.fields().map(|(_, json)| json.len()).sum::<usize>());
    prop_assert_eq!(multipart::data_bytes(&body), sizes.sum::<usize>());
    Ok(runs.len())
}
