//! Which traces are sent, when `LANGSMITH_TRACING_SAMPLING_RATE` says that not all are.
//!
//! Rule: the same traces as by LangSmith's own SDKs, whatever the process: the hash is of the trace id's lower-case text.

use std::str::FromStr;

use twox_hash::XxHash3_128;
use uuid::Uuid;

/// How finely a rate is told apart.
const MODULUS: u128 = 1_000_000;

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(f64);

impl Rate {
    /// The number.
    pub(crate) fn get(self) -> f64 {
        self.0
    }

    /// Whether the trace belongs to the share.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the SDKs divide two numbers below a million, which are exact"
    )]
    pub(crate) fn keeps(self, trace: Uuid) -> bool {
        bucket(trace) as f64 / (MODULUS as f64) < self.0
    }
}

fn bucket(trace: Uuid) -> u128 {
    let mut buffer = Uuid::encode_buffer();
    let text = trace.hyphenated().encode_lower(&mut buffer);
    XxHash3_128::oneshot(text.as_bytes()) % MODULUS
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let rate = text.trim().parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
        rate.map(Self).ok_or("it must be a number from 0 to 1, for example `0.1`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trace ids and their place among a million. `tests/tests/vendor_sdks` asks the Python SDK whether that is right.
    fn as_the_sdk_has_it() -> Vec<(Uuid, u128)> {
        let text = include_str!("tests/data/sampled.json");
        let all: Vec<(String, u128)> = serde_json::from_str(text).unwrap();
        all.into_iter().map(|(id, place)| (id.parse().unwrap(), place)).collect()
    }

    #[test]
    fn a_trace_is_kept_where_the_sdks_keep_it() {
        for (id, place) in as_the_sdk_has_it() {
            assert_eq!(bucket(id), place, "{id}");
            let above: Rate = format!("0.{:06}", place + 1).parse().unwrap();
            let exactly: Rate = format!("0.{place:06}").parse().unwrap();
            assert!(above.keeps(id), "{id}");
            assert!(!exactly.keeps(id), "the bound itself is out: {id}");
        }
    }

    #[test]
    fn nothing_is_kept_at_0_and_everything_at_1() {
        for (id, _) in as_the_sdk_has_it() {
            assert!(!Rate(0.0).keeps(id));
            assert!(Rate(1.0).keeps(id));
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["-0.1", "1.01", "NaN", "inf", "half", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
