//! The ids of traces and spans.
//!
//! Rule: an id derives from the run id and the number of the call by arithmetic that never changes, and is never zero.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::id::{CallId, RunId};

/// Odd, so that multiples of it do not repeat: the golden ratio in 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Names a trace: 16 bytes, not all zero. Without a remote parent they are those of the run id.
///
/// ```
/// use charm_telemetry_core::RunId;
/// use charm_telemetry_core::trace::TraceId;
///
/// let run = RunId::new();
/// assert_eq!(TraceId::of_run(run).as_bytes(), run.as_bytes());
/// assert_eq!(TraceId::of_run(run).to_string().len(), 32);
/// assert_eq!(TraceId::from_bytes([0; 16]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// Names a span in its trace: 8 bytes, not all zero.
///
/// ```
/// use charm_telemetry_core::RunId;
/// use charm_telemetry_core::trace::SpanId;
///
/// let run = RunId::new();
/// assert_eq!(SpanId::of_run(run), SpanId::of_run(run));
/// assert_eq!(SpanId::of_run(run).to_string().len(), 16);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// The trace of a run that has no remote parent.
    pub fn of_run(run: RunId) -> Self {
        Self::from_bytes(*run.as_bytes()).unwrap_or_else(|| {
            let mut one = [0; 16];
            one[15] = 1;
            Self(one)
        })
    }

    /// `None` if all bytes are zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Spread evenly over all numbers, however little the ids differ.
    pub(super) fn hash(self) -> u64 {
        let (high, low) = Uuid::from_bytes(self.0).as_u64_pair();
        mix(mix(high ^ STEP) ^ low)
    }

    /// The bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The span of the run itself.
    pub fn of_run(run: RunId) -> Self {
        Self::derive(run, 0)
    }

    /// The span of a call in a run.
    pub fn of_call(run: RunId, call: CallId) -> Self {
        Self::derive(run, u64::from(call.get()))
    }

    /// `None` for zero.
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// As a number: for vendors that write ids in decimal.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 8] {
        self.get().to_be_bytes()
    }

    /// Number 0 is the run, those of 32 bits are its calls, larger ones are calls that have no id of their own.
    pub(super) fn derive(run: RunId, number: u64) -> Self {
        let seed = TraceId(*run.as_bytes()).hash();
        // For one run this is a bijection of the number: two calls of a run never share an id.
        let id = mix(seed.wrapping_add(number.wrapping_mul(STEP)));
        Self(NonZeroU64::new(id).unwrap_or(NonZeroU64::MIN))
    }

    /// A UUID of version 7 for vendors whose span ids are UUIDs: the start to the millisecond, then bits of this id.
    pub(super) fn uuid(self, run: RunId, start: SystemTime) -> Uuid {
        let millis = start.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() & 0xffff_ffff_ffff;
        let (high, low) = Uuid::from_bytes(*run.as_bytes()).as_u64_pair();
        let rand_a = u128::from(mix(self.get() ^ high ^ low.rotate_left(1)) & 0xfff);
        let rand_b = u128::from(self.get() & 0x3fff_ffff_ffff_ffff);
        Uuid::from_u128((millis << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b)
    }
}

/// The finaliser of `SplitMix64`: every bit of the input changes about half of the output, and nothing is lost.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// 32 lower-case hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// 16 lower-case hexadecimal digits.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.get())
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}
