//! What the bridge reports besides prints and tokens.
//! The one rule: a field that a framework did not give is absent, never made up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use charm_telemetry_core::ModelParameters;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One record.
///
/// Calls have the id that the framework gave them, or one that the bridge made (`h1`, `h2`...) for calls that an agent
/// reports by hand. A parent is the nearest enclosing call that was itself reported; LangChain's chains are not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A model is asked.
    LlmStart {
        /// The call's id.
        call: String,
        /// The call it happens in.
        parent: Option<String>,
        /// The model's name.
        model: Option<String>,
        /// Who serves it.
        provider: Option<String>,
        /// A chat: a list of `{role, content, tool_calls?, name?, tool_call_id?}`. A completion: the prompt.
        input: Option<Value>,
        /// What is asked for besides.
        #[serde(default)]
        parameters: ModelParameters,
    },
    /// The model has answered.
    LlmEnd {
        /// The call's id.
        call: String,
        /// A chat: one message, as in the input. A completion: the text.
        output: Option<Value>,
        /// The model that answered, where it says so.
        model: Option<String>,
        /// What it took.
        usage: Option<TokenUsage>,
    },
    /// The model has failed.
    LlmError {
        /// The call's id.
        call: String,
        /// The error's text.
        error: String,
        /// Its class, with its module if that is not Python's own.
        #[serde(default)]
        error_type: String,
        /// Where it happened, if it was raised.
        #[serde(default)]
        traceback: String,
    },
    /// A tool starts.
    ToolStart {
        /// The call's id.
        call: String,
        /// The call it happens in.
        parent: Option<String>,
        /// The tool's name.
        tool: String,
        /// Its input, as Python's `str` shows it.
        input: String,
        /// Its arguments, if the framework tells them.
        arguments: Option<Value>,
    },
    /// A tool has ended.
    ToolEnd {
        /// The call's id.
        call: String,
        /// The tool's name.
        tool: String,
        /// Its whole output, as Python's `str` shows it.
        output: String,
    },
    /// A tool has failed.
    ToolError {
        /// The call's id.
        call: String,
        /// The tool's name.
        tool: String,
        /// The error's text.
        error: String,
        /// Its class, with its module if that is not Python's own.
        #[serde(default)]
        error_type: String,
        /// Where it happened, if it was raised.
        #[serde(default)]
        traceback: String,
    },
    /// An agent has decided to use a tool.
    AgentAction {
        /// The id of the run that decided, if the framework gave one.
        call: Option<String>,
        /// The call it happens in.
        parent: Option<String>,
        /// The tool's name.
        tool: String,
        /// What the tool will be given, as Python's `str` shows it.
        tool_input: String,
    },
    /// Documents are looked for.
    RetrieverStart {
        /// The call's id.
        call: String,
        /// The call it happens in.
        parent: Option<String>,
        /// The retriever's name.
        name: String,
        /// What is looked for.
        query: String,
    },
    /// Documents were found.
    RetrieverEnd {
        /// The call's id.
        call: String,
        /// The retriever's name.
        name: String,
        /// A list of `{page_content, metadata?, id?}`.
        documents: Value,
    },
    /// The look-up has failed.
    RetrieverError {
        /// The call's id.
        call: String,
        /// The retriever's name.
        name: String,
        /// The error's text.
        error: String,
        /// Its class, with its module if that is not Python's own.
        #[serde(default)]
        error_type: String,
        /// Where it happened, if it was raised.
        #[serde(default)]
        traceback: String,
    },
    /// Something that the bridge has to say to the person who runs it.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// What.
        message: String,
    },
    /// The agent has returned or failed. At most one; threads of the agent may still print after it.
    Result {
        /// The result object of the contract, to the letter: `status` and what goes with it.
        result: ExactJson,
        /// Where the agent failed, if it did.
        #[serde(default)]
        traceback: String,
        /// Whether its stderr has taken that.
        #[serde(default)]
        is_shown: bool,
    },
    /// The agent could not be started; the process ends with code 1.
    Crash {
        /// The name of the Python exception.
        error_type: String,
        /// What is wrong and what to do.
        message: String,
        /// Where, if it was in the agent's files.
        #[serde(default)]
        traceback: String,
        /// Whether its stderr has taken that.
        #[serde(default)]
        is_shown: bool,
    },
    /// This Python is too old for the bridge, and so for any agent; the process ends with code 1.
    Unfit {
        /// Its version.
        version: String,
        /// Its path.
        python: String,
    },
    /// A record of a kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Record {
    /// Where a call failed.
    pub(crate) fn traceback_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::LlmError { traceback, .. }
            | Self::ToolError { traceback, .. }
            | Self::RetrieverError { traceback, .. } => Some(traceback),
            _ => None,
        }
    }

    /// Reads the payload of a [`Frame::Record`](super::Frame::Record).
    ///
    /// # Errors
    ///
    /// When it is no record: something else than the bridge wrote to the pipe.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        // A raw value cannot be read from within a tagged enum, which keeps its fields in a form of its own.
        #[derive(Deserialize)]
        struct Whole<'a> {
            r#type: Cow<'a, str>,
            #[serde(borrow)]
            result: Option<&'a RawValue>,
            #[serde(default)]
            traceback: String,
            #[serde(default)]
            is_shown: bool,
        }
        let whole: Whole<'_> = serde_json::from_slice(json)?;
        match whole.result {
            Some(result) if whole.r#type == "result" => {
                let Whole { traceback, is_shown, .. } = whole;
                Ok(Self::Result { result: ExactJson(result.to_owned()), traceback, is_shown })
            }
            _ => serde_json::from_slice(json).or_else(|error| without_unreadable(json).ok_or(error)),
        }
    }
}

/// The record without those of its fields that hold what the agent gave and that nobody can read: a number that is too
/// large, say. What is left is told; who asked what and when must not depend on it.
fn without_unreadable(json: &[u8]) -> Option<Record> {
    let mut fields: BTreeMap<&str, &RawValue> = serde_json::from_slice(json).ok()?;
    fields.retain(|name, value| is_readable(name, value.get()));
    if fields.get("type").is_some_and(|kind| kind.get() == r#""retriever_end""#) {
        fields.entry("documents").or_insert(RawValue::NULL);
    }
    serde_json::from_slice(&serde_json::to_vec(&fields).ok()?).ok()
}

fn is_readable(field: &str, json: &str) -> bool {
    match field {
        "arguments" | "input" | "output" | "documents" => serde_json::from_str::<Value>(json).is_ok(),
        "parameters" => serde_json::from_str::<ModelParameters>(json).is_ok(),
        "usage" => serde_json::from_str::<TokenUsage>(json).is_ok(),
        _ => true,
    }
}

/// JSON to the letter: numbers keep their digits and objects their order.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct ExactJson(Box<RawValue>);

impl ExactJson {
    /// Its text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

/// Of the same text.
impl PartialEq for ExactJson {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

/// How much a log record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For those who look for a fault in the bridge.
    Debug,
    /// Good to know.
    Info,
    /// The agent may not do what its author thinks.
    Warning,
    /// Something is lost.
    Error,
}

impl LogLevel {
    /// What stands before the message for a person.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Debug => "debug: ",
            Self::Info => "",
            Self::Warning => "warning: ",
            Self::Error => "error: ",
        }
    }
}

/// The tokens that one answer took, under one set of names whatever the provider calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
    /// Both.
    pub total_tokens: Option<u64>,
    /// Of the prompt, those read from a cache.
    pub cache_read: Option<u64>,
    /// Of the prompt, those written to a cache.
    pub cache_creation: Option<u64>,
    /// Of the answer, those spent on reasoning.
    pub reasoning: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_unknown_kind_is_no_error() {
        assert_eq!(Record::parse(br#"{"type":"later","x":1}"#).expect("it is an object"), Record::Unknown);
    }

    #[test]
    fn what_is_absent_stays_absent() {
        let record = Record::parse(br#"{"type":"llm_end","call":"c","usage":{"input_tokens":1}}"#);
        let usage = TokenUsage { input_tokens: Some(1), ..TokenUsage::default() };
        let expected = Record::LlmEnd { call: "c".to_owned(), output: None, model: None, usage: Some(usage) };
        assert_eq!(record.expect("it is a record"), expected);
    }

    #[test]
    fn a_result_keeps_its_digits_and_its_order() {
        let json = r#"{"z":123456789012345678901234567890.10,"a":1e999}"#;
        let record = Record::parse(format!(r#"{{"result":{json},"type":"result"}}"#).as_bytes());
        let Ok(Record::Result { result, .. }) = record else { panic!("it is a result: {record:?}") };
        assert_eq!(result.get(), json);
    }

    #[test]
    fn a_field_that_cannot_be_read_does_not_cost_the_record() {
        let huge = "9".repeat(400);
        let parse = |json: String| Record::parse(json.as_bytes()).expect("it is a record all the same");
        let tool = |arguments: &str| {
            parse(format!(
                r#"{{"type":"tool_start","call":"c","tool":"t","input":"i","arguments":{{"n":{arguments}}}}}"#
            ))
        };
        let Record::ToolStart { input, arguments, .. } = tool(&huge) else { panic!("it is a start") };
        assert_eq!((input.as_str(), arguments), ("i", None));
        assert!(matches!(tool("1"), Record::ToolStart { arguments: Some(_), .. }));
        let asked = parse(format!(
            r#"{{"type":"llm_start","call":"c","model":"m","input":[{huge}],"parameters":[]}}"#
        ));
        assert!(matches!(asked, Record::LlmStart { model: Some(_), input: None, .. }));
        let answered =
            parse(r#"{"type":"llm_end","call":"c","output":"o","usage":{"input_tokens":-1}}"#.to_owned());
        assert!(matches!(answered, Record::LlmEnd { output: Some(_), usage: None, .. }));
        let found =
            parse(format!(r#"{{"type":"retriever_end","call":"c","name":"n","documents":[{huge}]}}"#));
        assert!(matches!(found, Record::RetrieverEnd { documents: Value::Null, .. }));
    }

    #[test]
    fn text_that_is_no_record_is_an_error() {
        assert!(Record::parse(b"[]").is_err());
        assert!(Record::parse(br#"{"type":"log"}"#).is_err());
    }
}
