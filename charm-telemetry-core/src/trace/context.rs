//! Where our spans hang: under nothing, or under a span of the process that started us.
//!
//! Rule: what is handed on follows from the run and the call alone, so the runner and every exporter agree without
//! talking to each other.

use std::sync::Arc;

use super::ids::{SpanId, TraceId};
use super::traceparent::{TraceParent, TraceParentError};
use crate::environment::Environment;
use crate::id::{CallId, RunId};

/// Longest `tracestate` that is handed on. The standard asks for at least this.
const MAX_STATE_BYTES: usize = 512;

/// Most members of a `tracestate`.
const MAX_STATE_MEMBERS: usize = 32;

/// The trace context of this process: `TRACEPARENT` and `TRACESTATE` of its environment.
///
/// ```
/// use charm_telemetry_core::trace::TraceContext;
/// use charm_telemetry_core::{Environment, RunId};
///
/// let remote = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext::read(&Environment::from_pairs([("TRACEPARENT", remote)])).unwrap();
///
/// // What the agent finds in its own environment: the same trace, and the span of its run.
/// let handed_on = context.traceparent_for(RunId::new(), None, true);
/// assert_eq!(handed_on.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    remote: Option<TraceParent>,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// The context of an environment; an empty one if there is none.
    ///
    /// # Errors
    /// If `TRACEPARENT` is set and none. The standard says to go on without it: `unwrap_or_default`, after a warning.
    pub fn read(environment: &Environment) -> Result<Self, TraceParentError> {
        let parent = environment.get("TRACEPARENT").map(str::parse).transpose()?;
        Ok(parent.map(|parent| Self::new(parent, environment.get("TRACESTATE"))).unwrap_or_default())
    }

    /// Under this remote span. A `tracestate` that is none is left out, as the standard has it.
    pub fn new(remote: TraceParent, state: Option<&str>) -> Self {
        Self { remote: Some(remote), state: state.filter(|state| is_tracestate(state)).map(Arc::from) }
    }

    /// The span of another process in which our runs began.
    pub fn remote_parent(&self) -> Option<TraceParent> {
        self.remote
    }

    /// What goes with it, to be handed on as it is.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether the remote span is of a trace that is not recorded: then, as OpenTelemetry's samplers have it, what is
    /// below it is not sent either.
    pub fn is_left_out(&self) -> bool {
        self.remote.is_some_and(|remote| !remote.is_sampled())
    }

    /// The trace of a run: the remote one, else its own.
    pub fn trace_id(&self, run: RunId) -> TraceId {
        self.remote.map_or_else(|| TraceId::of_run(run), |remote| remote.trace_id())
    }

    /// What to hand on to whoever works for the run, or for one of its calls: `TRACEPARENT` of the agent's environment,
    /// `traceparent` of a request. `sampled` is the answer of [`Sampler::keeps`](super::Sampler::keeps).
    pub fn traceparent_for(&self, run: RunId, call: Option<CallId>, sampled: bool) -> TraceParent {
        let span = call.map_or_else(|| SpanId::of_run(run), |call| SpanId::of_call(run, call));
        TraceParent::new(self.trace_id(run), span, sampled)
    }
}

fn is_tracestate(state: &str) -> bool {
    let mut members = state.split(',').map(|member| member.trim_matches([' ', '\t']));
    state.len() <= MAX_STATE_BYTES
        && state.split(',').count() <= MAX_STATE_MEMBERS
        && members.all(|member| member.is_empty() || is_member(member))
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let key_byte = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let value_byte = |b: u8| matches!(b, 0x20..=0x7e) && b != b'=';
    !key.is_empty() && key.bytes().all(key_byte) && !value.is_empty() && value.bytes().all(value_byte)
}
