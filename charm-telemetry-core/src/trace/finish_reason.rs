//! Why a model ended its answers, as the answers themselves say it.
//!
//! Rule: only a single word is a reason. Where content must not leave, only the words of providers do, so no part of an answer
//! may pass under its name.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Longest reason, in bytes.
const MAX_BYTES: usize = 64;

/// Most reasons of one call: one for each answer that was asked for.
const MAX_REASONS: usize = 128;

/// The deepest nesting that is looked into: `generations` of LangChain are two lists deep, their messages three.
const MAX_DEPTH: u32 = 6;

/// What providers say, from Anthropic to Ollama, in small letters.
const KNOWN: [&str; 38] = [
    "blocklist",
    "complete",
    "content_filter",
    "content_filtered",
    "end",
    "end_turn",
    "eos",
    "eos_token",
    "error",
    "error_limit",
    "error_toxic",
    "finished",
    "function_call",
    "guardrail_intervened",
    "image_safety",
    "language",
    "length",
    "load",
    "malformed_function_call",
    "max_tokens",
    "model_context_window_exceeded",
    "model_length",
    "other",
    "pause_turn",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
    "spii",
    "stop",
    "stop_sequence",
    "tool_calls",
    "tool_use",
    "unexpected_tool_call",
    "unknown",
    "unload",
    "unspecified",
    "user_cancel",
];

/// Whether it is a word of a provider, and not one of an answer that has a field of that name.
pub(super) fn is_known(reason: &str) -> bool {
    KNOWN.binary_search(&reason.to_ascii_lowercase().as_str()).is_ok()
}

/// The reasons, one for each answer that gives one, in the words of the provider.
pub(super) fn finish_reasons(output: &RawValue) -> Vec<Arc<str>> {
    let mut reasons = Vec::new();
    collect(output, MAX_DEPTH, &mut reasons);
    reasons
}

/// An answer, or an object that holds some.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    done_reason: Option<&'a RawValue>,
    #[serde(borrow, rename = "finishReason")]
    finish_reason_of_google: Option<&'a RawValue>,
    #[serde(borrow, rename = "stopReason")]
    stop_reason_of_bedrock: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    response_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    generation_info: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    generations: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(borrow)]
    candidates: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Its own reason.
    fn reason(&self) -> Option<Arc<str>> {
        let names = [
            self.finish_reason,
            self.stop_reason,
            self.done_reason,
            self.finish_reason_of_google,
            self.stop_reason_of_bedrock,
        ];
        names.into_iter().flatten().find_map(word)
    }

    /// What belongs to the same answer.
    fn same(&self) -> impl Iterator<Item = &'a RawValue> {
        [self.message, self.response_metadata, self.generation_info].into_iter().flatten()
    }

    /// Where other answers are.
    fn others(&self) -> impl Iterator<Item = &'a RawValue> {
        let lists = [self.messages, self.generations, self.choices, self.candidates];
        lists.into_iter().chain([self.output]).flatten()
    }
}

fn collect(json: &RawValue, depth: u32, into: &mut Vec<Arc<str>>) {
    if depth == 0 || into.len() >= MAX_REASONS {
        return;
    }
    match json.get().as_bytes().first() {
        // What cannot be read has no reasons: agents owe us nothing.
        Some(b'[') => {
            drop(serde_json::Deserializer::from_str(json.get()).deserialize_seq(Items { depth, into }));
        }
        Some(b'{') => {
            if let Ok(answer) = serde_json::from_str(json.get()) {
                collect_answer(&answer, depth, into);
            }
        }
        _ => {}
    }
}

fn collect_answer(answer: &Answer<'_>, depth: u32, into: &mut Vec<Arc<str>>) {
    let before = into.len();
    if let Some(reason) = answer.reason() {
        into.push(reason);
    }
    // One answer often says twice why it ended.
    for part in answer.same().chain(answer.others()) {
        if into.len() == before {
            collect(part, depth - 1, into);
        }
    }
}

/// The items of a list, one at a time: a list of a million numbers is not held.
struct Items<'r> {
    depth: u32,
    into: &'r mut Vec<Arc<str>>,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            collect(item, self.depth - 1, self.into);
            if self.into.len() >= MAX_REASONS {
                return Err(A::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

fn word(json: &RawValue) -> Option<Arc<str>> {
    let text: String = serde_json::from_str(json.get()).ok()?;
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=MAX_BYTES).contains(&text.len()).then_some(())?;
    text.bytes().all(of_word).then(|| text.into())
}
