//! How much Datadog takes.
//!
//! Rule: limits are on encoded bytes, and below what is promised, because less than that has been refused.

use std::time::Duration;

use charm_telemetry_core::delivery::Limits;

/// The most of one span. Datadog's libraries send up to 5 MB, and spans over 1 MB have been lost in silence:
/// <https://github.com/DataDog/dd-trace-py/issues/13260>, <https://github.com/DataDog/datadog-agent/issues/36411>.
pub(crate) const MAX_SPAN_BYTES: usize = 1_000_000;

/// The most of one request: the Agent's limit is 5 MiB, and large batches have met 413 and timeouts before it:
/// <https://github.com/DataDog/dd-trace-py/issues/10212>.
pub(crate) const MAX_BODY_BYTES: usize = 4_000_000;

/// Spans that began earlier are not taken: <https://docs.datadoghq.com/llm_observability/instrumentation/api/>. This counts for
/// each span by itself, and bounds how long a batch waits: whatever is in one that waited so long is older than that.
pub(crate) const MAX_AGE: Duration = Duration::from_hours(24);

/// What seems to be older than this says more of the clock than of the span.
pub(crate) const YEAR: Duration = Duration::from_hours(365 * 24);

/// The longest name of an application: same page.
pub(crate) const MAX_ML_APP_CHARS: usize = 193;

/// A space, the longest number of 64 bits, a line break.
const MAX_BEGINNING_BYTES: usize = 22;

/// For the delivery.
pub(crate) const LIMITS: Limits = Limits {
    max_items: 500,
    max_body_bytes: MAX_BODY_BYTES,
    // With the line that names the application, of at most four bytes for each character, and the beginning.
    max_item_bytes: MAX_SPAN_BYTES + 4 * MAX_ML_APP_CHARS + MAX_BEGINNING_BYTES,
    item_overhead: 128,
    linger: Duration::from_secs(1),
};
