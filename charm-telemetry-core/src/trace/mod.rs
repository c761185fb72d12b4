//! From events to finished spans: one place that pairs starts with ends, so that no vendor has to.
//!
//! Rule: a call that was started gives exactly one span, with ids that derive from the run and the call alone, so that
//! the same events always give the same spans.
//!
//! In reading order: what a span is ([`SpanHead`], [`FinishedSpan`], [`Content`]), how events become spans
//! ([`TraceAssembler`]), what a vendor writes ([`SpanExporter`]) and what drives it ([`SpanFeed`]), what operators set for
//! all exporters ([`TelemetrySettings`]).

mod assembler;
mod besides;
mod content;
mod context;
mod counters;
mod desk;
mod ended;
mod error_type;
mod exporter;
mod feed;
mod finish_reason;
mod ids;
mod limits;
mod moment;
mod open_call;
mod open_run;
mod policy;
mod reading;
mod recent;
mod sampler;
mod settings;
mod span;
mod tags;
mod traceparent;
mod unsampled;
mod usage;

pub use assembler::TraceAssembler;
pub use content::Content;
pub use context::TraceContext;
pub use counters::TraceCounters;
pub use exporter::SpanExporter;
pub use feed::SpanFeed;
pub use ids::{SpanId, TraceId};
pub use limits::TraceLimits;
pub use moment::Moment;
pub use policy::ContentPolicy;
pub use sampler::Sampler;
pub use settings::TelemetrySettings;
pub use span::{
    AbortReason, FinishedSpan, RunTotals, SpanError, SpanEvent, SpanHead, SpanKind, SpanStatus, StartedSpan,
    Streaming, TraceOutput,
};
pub use tags::{Tags, TagsError};
pub use traceparent::{TraceParent, TraceParentError};

#[cfg(test)]
mod tests;
