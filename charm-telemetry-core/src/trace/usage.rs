//! What a call of a model consumed, as spans have it.
//!
//! Rule: the tokens of the cache are a part of the input, and those of reasoning a part of the output, whatever the provider
//! does; what may be right is left as it is, and what is not known is not made up.

use crate::event::TokenUsage;

/// The same, with each part counted in its whole.
///
/// Some providers count the tokens of the cache besides the input, or those of reasoning besides the output. Where that
/// shows, the part is added, and the sum made anew: a receiver that takes the price of the part from that of the whole would
/// find one that is too low, or below zero.
pub(super) fn with_parts_counted_in(usage: TokenUsage) -> TokenUsage {
    let cached = usage.cache_read_tokens.unwrap_or(0).saturating_add(usage.cache_write_tokens.unwrap_or(0));
    let reasoning = usage.reasoning_tokens.unwrap_or(0);
    let apart = Apart::of(&usage, cached, reasoning);
    if apart == Apart::default() {
        return usage;
    }
    let whole = |whole: Option<u64>, part, apart| if apart { add(whole, Some(part)) } else { whole };
    let input_tokens = whole(usage.input_tokens, cached, apart.cached);
    let output_tokens = whole(usage.output_tokens, reasoning, apart.reasoning);
    TokenUsage { input_tokens, output_tokens, total_tokens: add(input_tokens, output_tokens), ..usage }
}

/// Which parts are counted besides their wholes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Apart {
    cached: bool,
    reasoning: bool,
}

impl Apart {
    /// A part cannot be larger than its whole; and if the provider's own sum holds it besides both wholes, it is in neither.
    fn of(usage: &TokenUsage, cached: u64, reasoning: u64) -> Self {
        let exceeds = |part: u64, whole: Option<u64>| whole.is_some_and(|whole| part > whole);
        let wholes = add(usage.input_tokens, usage.output_tokens);
        let in_sum = |parts: u64| {
            parts > 0 && usage.total_tokens.is_some() && add(wholes, Some(parts)) == usage.total_tokens
        };
        let both = in_sum(cached.saturating_add(reasoning));
        // Of two that are alike the sum does not say which it holds.
        let one = cached != reasoning;
        Self {
            cached: exceeds(cached, usage.input_tokens) || cached > 0 && both || one && in_sum(cached),
            reasoning: exceeds(reasoning, usage.output_tokens)
                || reasoning > 0 && both
                || one && in_sum(reasoning),
        }
    }
}

fn add(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.zip(other).map(|(one, other)| one.saturating_add(other))
}
