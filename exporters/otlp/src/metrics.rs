//! The client metrics of the GenAI conventions, v1.41, counted from finished spans.
//!
//! Rule: a fixed number of data points, however many models and errors there are; what is over it is counted together.
//!
//! <https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-metrics.md>

use std::borrow::Cow;
use std::collections::BTreeMap;

use charm_telemetry_core::trace::{FinishedSpan, SpanKind};

use crate::encode::{error_type, operation};
use crate::exponential::Exponential;
use crate::options::Aggregation;
use crate::semconv;
use crate::wire::{Attribute, Buckets, Histogram, Point, attribute};

/// Sets of attributes of one metric, at most.
const MAX_POINTS: usize = 2000;

/// What is recorded, in the order of [`METRICS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    TokenUsage,
    Duration,
    TimeToFirstChunk,
    TimePerChunk,
    ToolDuration,
    AgentDuration,
}

/// What is fixed about a metric.
struct Description {
    name: &'static str,
    unit: &'static str,
    text: &'static str,
    bounds: &'static [f64],
}

const SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

const AGENT_SECONDS: &[f64] = &[0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6];

/// The last two are not in v1.41 but in its successor, and the official helper for Python sends them with the others.
const METRICS: [Description; 6] = [
    Description {
        name: "gen_ai.client.token.usage",
        unit: "{token}",
        text: "Number of input and output tokens used.",
        bounds: TOKENS,
    },
    Description {
        name: "gen_ai.client.operation.duration",
        unit: "s",
        text: "GenAI operation duration.",
        bounds: SECONDS,
    },
    Description {
        name: "gen_ai.client.operation.time_to_first_chunk",
        unit: "s",
        text: "Time to receive the first chunk of a streamed answer.",
        bounds: SECONDS,
    },
    Description {
        name: "gen_ai.client.operation.time_per_output_chunk",
        unit: "s",
        text: "Time per chunk of a streamed answer after the first.",
        bounds: SECONDS,
    },
    Description {
        name: "gen_ai.execute_tool.duration",
        unit: "s",
        text: "Duration of a call of a tool.",
        bounds: SECONDS,
    },
    Description {
        name: "gen_ai.invoke_agent.duration",
        unit: "s",
        text: "Duration of a run of the agent.",
        bounds: AGENT_SECONDS,
    },
];

/// Keys and values, in the order in which they are written.
type Attributes = Vec<(&'static str, String)>;

/// The counts so far.
#[derive(Debug)]
pub(crate) struct Metrics {
    delta: bool,
    aggregation: Aggregation,
    /// When counting began: for deltas, with the last export.
    start_nanos: u64,
    tables: [BTreeMap<Attributes, Counts>; METRICS.len()],
}

/// The counts of one set of attributes.
#[derive(Clone, Debug)]
struct Counts {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    buckets: Buckets,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new(delta: bool, aggregation: Aggregation, now_nanos: u64) -> Self {
        Self { delta, aggregation, start_nanos: now_nanos, tables: Default::default() }
    }

    /// Counts a span: the tokens and the stream of a model, and how long everything took.
    pub(crate) fn record(&mut self, span: &FinishedSpan) {
        let mut attributes = attributes_of(span);
        let metric = match span.head.kind {
            SpanKind::Llm => {
                self.record_tokens(span, &attributes);
                self.record_stream(span, &attributes);
                Metric::Duration
            }
            SpanKind::Retrieval => Metric::Duration,
            SpanKind::Tool => Metric::ToolDuration,
            SpanKind::Agent => Metric::AgentDuration,
        };
        attributes.extend(error_type(span).map(|class| (semconv::ERROR_TYPE, class.to_owned())));
        self.add(metric, attributes, span.duration.as_secs_f64(), 1);
    }

    /// What there is to send, as histograms; then, for deltas, nothing is counted any more.
    pub(crate) fn export<T>(&mut self, now_nanos: u64, write: impl Fn(&Histogram<'_>) -> T) -> Vec<T> {
        let start_nanos = self.start_nanos;
        let filled = METRICS.iter().zip(&self.tables).filter(|(_, table)| !table.is_empty());
        let histograms = filled.map(|(metric, table)| {
            let point = |(attributes, counts)| point(attributes, counts, [start_nanos, now_nanos]);
            let points = table.iter().map(point).collect();
            let Description { name, unit, text, .. } = *metric;
            let Self { delta, aggregation, .. } = *self;
            write(&Histogram { name, unit, description: text, aggregation, delta, points })
        });
        let written = histograms.collect();
        if self.delta {
            self.start_nanos = now_nanos;
            self.tables = Default::default();
        }
        written
    }

    #[expect(clippy::cast_precision_loss, reason = "no call has 2^52 tokens")]
    fn record_tokens(&mut self, span: &FinishedSpan, attributes: &Attributes) {
        let Some(usage) = span.usage else { return };
        for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            let Some(tokens) = tokens else { continue };
            let mut attributes = attributes.clone();
            attributes.push((semconv::TOKEN_TYPE, kind.to_owned()));
            self.add(Metric::TokenUsage, attributes, tokens as f64, 1);
        }
    }

    /// Of the chunks after the first only the mean is known: it is counted once for each of them.
    fn record_stream(&mut self, span: &FinishedSpan, attributes: &Attributes) {
        let Some(streaming) = span.streaming else { return };
        if let Some(first) = streaming.time_to_first_token {
            self.add(Metric::TimeToFirstChunk, attributes.clone(), first.as_secs_f64(), 1);
        }
        if let Some(each) = streaming.time_per_token() {
            self.add(Metric::TimePerChunk, attributes.clone(), each.as_secs_f64(), streaming.tokens - 1);
        }
    }

    fn add(&mut self, metric: Metric, attributes: Attributes, value: f64, times: u64) {
        let table = &mut self.tables[metric as usize];
        let is_full = table.len() >= MAX_POINTS && !table.contains_key(&attributes);
        let attributes = if is_full { vec![("otel.metric.overflow", "true".to_owned())] } else { attributes };
        let (bounds, aggregation) = (METRICS[metric as usize].bounds, self.aggregation);
        let counts = table.entry(attributes).or_insert_with(|| Counts::new(aggregation, bounds));
        counts.add(value, times);
    }
}

impl Counts {
    fn new(aggregation: Aggregation, bounds: &'static [f64]) -> Self {
        let buckets = match aggregation {
            Aggregation::Explicit => Buckets::Explicit { bounds, counts: vec![0; bounds.len() + 1] },
            Aggregation::Exponential => Buckets::Exponential(Exponential::new()),
        };
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, buckets }
    }

    /// A value on a bound belongs to the bucket below it.
    #[expect(clippy::cast_precision_loss, reason = "no stream has 2^52 chunks")]
    fn add(&mut self, value: f64, times: u64) {
        self.count += times;
        self.sum += value * times as f64;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        match &mut self.buckets {
            Buckets::Explicit { bounds, counts } => {
                counts[bounds.partition_point(|bound| *bound < value)] += times;
            }
            Buckets::Exponential(exponential) => exponential.add(value, times),
        }
    }
}

fn attributes_of(span: &FinishedSpan) -> Attributes {
    let values = match span.head.kind {
        SpanKind::Agent => vec![(semconv::AGENT_NAME, span.head.given_name())],
        SpanKind::Tool => {
            vec![(semconv::TOOL_NAME, span.head.given_name()), (semconv::TOOL_TYPE, Some("function"))]
        }
        SpanKind::Llm | SpanKind::Retrieval => vec![
            (semconv::OPERATION_NAME, Some(operation(span.head.kind))),
            (semconv::PROVIDER_NAME, span.provider.as_deref().map(semconv::provider)),
            (semconv::REQUEST_MODEL, span.model.as_deref()),
            (semconv::RESPONSE_MODEL, span.response_model.as_deref()),
        ],
    };
    values.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned()))).collect()
}

fn point<'a>(attributes: &'a Attributes, counts: &'a Counts, [start_nanos, nanos]: [u64; 2]) -> Point<'a> {
    let written = |(key, value): &'a (&'static str, String)| -> Attribute<'a> {
        match *key {
            "otel.metric.overflow" => attribute(*key, true),
            key => attribute(Cow::Borrowed(key), value.as_str()),
        }
    };
    Point {
        attributes: attributes.iter().map(written).collect(),
        start_nanos,
        nanos: nanos.max(start_nanos),
        count: counts.count,
        sum: counts.sum,
        min: counts.min,
        max: counts.max,
        buckets: &counts.buckets,
    }
}
