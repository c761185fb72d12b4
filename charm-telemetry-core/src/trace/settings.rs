//! What operators set once, for all exporters.
//!
//! Rule: read from the environment in one place; an exporter adds its vendor's own variables and never a second name for
//! these.

use std::sync::Arc;

use super::context::TraceContext;
use super::policy::ContentPolicy;
use super::sampler::Sampler;
use super::tags::Tags;
use super::traceparent::TraceParent;
use crate::descriptor::VariableDescriptor;
use crate::environment::EnvironmentReader;
use crate::id::{CallId, RunId};

/// Content, sampling, tags, the agent's name, and the trace that the runner was started in.
///
/// ```
/// use charm_telemetry_core::trace::{ContentPolicy, TelemetrySettings};
/// use charm_telemetry_core::{Environment, EnvironmentReader};
///
/// let environment = Environment::from_pairs([("CHARM_TELEMETRY_CONTENT", "off")]);
/// let mut reader = EnvironmentReader::new(&environment);
/// let settings = TelemetrySettings::read(&mut reader);
/// assert_eq!(settings.content, ContentPolicy::Off);
/// assert!(reader.into_problems().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TelemetrySettings {
    /// Whether content may leave.
    pub content: ContentPolicy,
    /// Which traces are sent.
    pub sampler: Sampler,
    /// Tags for everything that is sent.
    pub tags: Tags,
    /// The agent's name: the name of the agent spans.
    pub agent_name: Option<Arc<str>>,
    /// The agent's version.
    pub agent_version: Option<Arc<str>>,
    /// The trace in which the runs began.
    pub context: TraceContext,
}

const CONTENT: &VariableDescriptor = &TelemetrySettings::VARIABLES[0];
const SAMPLE_RATE: &VariableDescriptor = &TelemetrySettings::VARIABLES[1];
const KEEP_ERRORS: &VariableDescriptor = &TelemetrySettings::VARIABLES[2];
const TAGS: &VariableDescriptor = &TelemetrySettings::VARIABLES[3];
const AGENT_NAME: &VariableDescriptor = &TelemetrySettings::VARIABLES[4];
const AGENT_VERSION: &VariableDescriptor = &TelemetrySettings::VARIABLES[5];
const TRACEPARENT: &VariableDescriptor = &TelemetrySettings::VARIABLES[6];
const TRACESTATE: &VariableDescriptor = &TelemetrySettings::VARIABLES[7];

const fn variable(
    names: &'static [&'static str],
    doc: &'static str,
    default: Option<&'static str>,
) -> VariableDescriptor {
    VariableDescriptor { names, doc, default, required: false, secret: false }
}

impl TelemetrySettings {
    /// The variables that are read, for listings.
    pub const VARIABLES: &'static [VariableDescriptor] = &[
        variable(
            &["CHARM_TELEMETRY_CONTENT"],
            "Whether prompts, answers, arguments, results and error texts are sent: `on`, `off`, or `default` for what each vendor's convention says.",
            Some("default"),
        ),
        variable(
            &["CHARM_TELEMETRY_SAMPLE_RATE"],
            "The share of runs that is sent, from 0 to 1, the same runs to all exporters.",
            Some("1"),
        ),
        variable(
            &["CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS"],
            "Whether runs in which something fails are sent besides that share: `true` or `false`.",
            Some("false"),
        ),
        variable(
            &["CHARM_TELEMETRY_TAGS"],
            "Tags for everything that is sent: `key=value,key2=value2`.",
            None,
        ),
        variable(&["CHARM_AGENT_NAME"], "The agent's name. The runner takes it from the manifest.", None),
        variable(
            &["CHARM_AGENT_VERSION"],
            "The agent's version. The runner takes it from the manifest.",
            None,
        ),
        variable(
            &["TRACEPARENT"],
            "The span in which the run was started, as W3C Trace Context has it.",
            None,
        ),
        variable(&["TRACESTATE"], "What goes with it, handed on as it is.", None),
    ];

    /// What to hand on to whoever works for the run, or for one of its calls: `TRACEPARENT` of the agent's environment.
    pub fn traceparent_for(&self, run: RunId, call: Option<CallId>) -> TraceParent {
        let sampled = !self.context.is_left_out() && self.sampler.keeps(self.context.trace_id(run));
        self.context.traceparent_for(run, call, sampled)
    }

    /// Reads them all. What is wrong is recorded, and replaced by the default; but who has said something of content that
    /// cannot be read gets it kept at home.
    ///
    /// A `TRACEPARENT` that is none is no problem of the operator's: as the standard has it, the run starts a trace of
    /// its own.
    pub fn read(reader: &mut EnvironmentReader<'_>) -> Self {
        let text = |text: &str| Ok(Arc::<str>::from(text));
        let keep_errors = reader.optional(KEEP_ERRORS, parse_switch).unwrap_or_default();
        Self {
            content: read_content(reader),
            sampler: reader
                .optional(SAMPLE_RATE, parse::<Sampler>)
                .unwrap_or_default()
                .keep_errors(keep_errors),
            tags: reader.optional(TAGS, parse).unwrap_or_default(),
            agent_name: reader.optional(AGENT_NAME, text),
            agent_version: reader.optional(AGENT_VERSION, text),
            context: read_context(reader),
        }
    }
}

fn read_content(reader: &mut EnvironmentReader<'_>) -> ContentPolicy {
    let problems_before = reader.problem_count();
    let content = reader.optional(CONTENT, parse).unwrap_or_default();
    if reader.problem_count() == problems_before { content } else { ContentPolicy::Off }
}

fn read_context(reader: &mut EnvironmentReader<'_>) -> TraceContext {
    let parent = reader.optional(TRACEPARENT, |text| Ok(text.parse().ok())).flatten();
    let state = reader.optional(TRACESTATE, |text| Ok(text.to_owned()));
    parent.map(|parent| TraceContext::new(parent, state.as_deref())).unwrap_or_default()
}

fn parse<T>(text: &str) -> Result<T, String>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err("it must be `true` or `false`".to_owned()),
    }
}
