//! What a call of a model consumed, as spans have it.
//!
//! Rule: the tokens of the cache are a part of the input, and those of reasoning a part of the output, whatever the provider
//! does; what may be right is left as it is, and what is not known is not made up.

use crate::event::TokenUsage;

/// The same, with each part counted in its whole.
///
/// Some providers count the tokens of the cache besides the input, or those of reasoning besides the output. Where that
/// shows, because a part cannot be larger than its whole, the part is added, and the sum made anew: a receiver that takes
/// the price of the part from that of the whole would find one below zero.
pub(super) fn with_parts_counted_in(usage: TokenUsage) -> TokenUsage {
    let whole = |whole: Option<u64>, part: u64| {
        whole.map(|whole| if part > whole { whole.saturating_add(part) } else { whole })
    };
    let cached = usage.cache_read_tokens.unwrap_or(0).saturating_add(usage.cache_write_tokens.unwrap_or(0));
    let input_tokens = whole(usage.input_tokens, cached);
    let output_tokens = whole(usage.output_tokens, usage.reasoning_tokens.unwrap_or(0));
    if (input_tokens, output_tokens) == (usage.input_tokens, usage.output_tokens) {
        return usage;
    }
    let total_tokens = input_tokens.zip(output_tokens).map(|(input, output)| input.saturating_add(output));
    TokenUsage { input_tokens, output_tokens, total_tokens, ..usage }
}
