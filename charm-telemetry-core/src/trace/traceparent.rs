//! The `traceparent` of W3C Trace Context: how one process tells another which span it works for.
//!
//! Rule: what is not exactly as the standard has it is refused, and what is written is always version 00.

use std::fmt;
use std::str::FromStr;

use super::ids::{SpanId, TraceId};

/// The length of version 00. Later versions may be longer, never shorter.
const LENGTH: usize = 55;

/// A span of another process, or one of ours for another process.
///
/// ```
/// use charm_telemetry_core::trace::TraceParent;
///
/// let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert!(parent.is_sampled());
/// assert_eq!(parent.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// # Ok::<(), charm_telemetry_core::trace::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
}

/// Why a `traceparent` is none. The standard wants it ignored then; the variable's owner should mend it.
///
/// ```
/// use charm_telemetry_core::trace::{TraceParent, TraceParentError};
///
/// assert_eq!("00-1-2-01".parse::<TraceParent>(), Err(TraceParentError::Shape));
/// let zeros = format!("00-{:032}-{:016}-01", 0, 0);
/// assert_eq!(zeros.parse::<TraceParent>(), Err(TraceParentError::Zero));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceParentError {
    /// It has another shape.
    #[error("it must be `00-<32 hexadecimal digits>-<16>-<2>`, in lower case")]
    Shape,
    /// Its version is `ff`.
    #[error("its version `ff` is not allowed")]
    Version,
    /// One of its ids is all zeros.
    #[error("its ids must not be all zeros")]
    Zero,
}

impl TraceParent {
    /// The span `span_id` of the trace `trace_id`.
    pub fn new(trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        Self { trace_id, span_id, sampled }
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether who wrote it records the trace.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        use TraceParentError::{Shape, Version, Zero};
        let mut fields = text.splitn(5, '-');
        let mut field = |digits| fields.next().and_then(|field| hex(field, digits)).ok_or(Shape);
        let (version, trace_id, span_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        if version == 0xff {
            return Err(Version);
        }
        if version == 0 && text.len() != LENGTH {
            return Err(Shape);
        }
        let trace_id = TraceId::from_bytes(trace_id.to_be_bytes()).ok_or(Zero)?;
        let span_id = u64::try_from(span_id).ok().and_then(SpanId::from_number).ok_or(Zero)?;
        Ok(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

/// Exactly so many digits, in lower case. (`from_str_radix` alone would take `+` and capitals.)
fn hex(field: &str, digits: usize) -> Option<u128> {
    let strict = field.len() == digits && field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    strict.then(|| u128::from_str_radix(field, 16).ok()).flatten()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}
