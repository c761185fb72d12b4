//! The calls of a run that go on, by the names that the agent's side gives them.
//!
//! Rule: a record that does not fit (an end without a start) is still told, as an event without a call.

use std::collections::HashMap;

use charm_telemetry_core::{
    CallId, ErrorText, EventKind, LlmCall, LlmEnd, LlmStart, RetrieverCall, Run, TokenUsage, ToolCall,
    ToolInput,
};
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::bridge::{self, Record};

#[derive(Default)]
pub(super) struct Calls {
    open: HashMap<String, Open>,
}

enum Open {
    Llm(LlmCall),
    Tool(ToolCall),
    Retriever(RetrieverCall),
}

impl Open {
    fn id(&self) -> CallId {
        match self {
            Self::Llm(call) => call.id(),
            Self::Tool(call) => call.id(),
            Self::Retriever(call) => call.id(),
        }
    }
}

impl Calls {
    /// A token. One of a call that nobody has begun begins it.
    pub(super) fn token(&mut self, run: &Run, call: &str, token: &str) {
        if let Some(Open::Llm(call)) = self.open.get_mut(call) {
            call.token(token);
            return;
        }
        // A tool has no tokens: one that is said to be a tool's belongs to no call that we know.
        let call = if self.open.contains_key(call) { "" } else { call };
        let open =
            self.open.entry(call.to_owned()).or_insert_with(|| Open::Llm(run.llm_call(LlmStart::default())));
        if let Open::Llm(call) = open {
            call.token(token);
        }
    }

    pub(super) fn record(&mut self, run: &Run, record: Record) {
        match record {
            Record::LlmStart { call, parent, model, provider, input, parameters } => {
                let start = llm_start(model, provider, input.as_ref()).parameters(parameters);
                let opened = match parent.and_then(|parent| self.open.get(&parent)) {
                    Some(Open::Tool(parent)) => parent.llm_call(start),
                    Some(Open::Llm(parent)) => parent.llm_call(start),
                    Some(Open::Retriever(parent)) => parent.llm_call(start),
                    None => run.llm_call(start),
                };
                self.keep(call, Open::Llm(opened));
            }
            Record::LlmEnd { call, output, model, usage } => {
                let end = llm_end(model, output.as_ref(), usage);
                match self.open.remove(&call) {
                    Some(Open::Llm(open)) => open.finish(end),
                    other => self.put_back(call, other, run, EventKind::LlmEnd(Box::new(end))),
                }
            }
            Record::LlmError { call, error, error_type, traceback } => {
                let error = ErrorText::new(error).error_type(error_type).traceback(traceback);
                match self.open.remove(&call) {
                    Some(Open::Llm(open)) => open.fail(error),
                    other => self.put_back(call, other, run, EventKind::LlmError { error }),
                }
            }
            Record::ToolStart { call, parent, tool, input, arguments } => {
                let input = tool_input(input, arguments.as_ref());
                let opened = match parent.and_then(|parent| self.open.get(&parent)) {
                    Some(Open::Tool(parent)) => parent.tool_call(&tool, input),
                    Some(Open::Llm(parent)) => parent.tool_call(&tool, input),
                    Some(Open::Retriever(parent)) => parent.tool_call(&tool, input),
                    None => run.tool_call(&tool, input),
                };
                self.keep(call, Open::Tool(opened));
            }
            Record::ToolEnd { call, tool, output } => match self.open.remove(&call) {
                Some(Open::Tool(open)) => open.finish(&output),
                other => {
                    self.put_back(call, other, run, EventKind::ToolEnd { tool_name: tool.into(), output });
                }
            },
            Record::ToolError { call, tool, error, error_type, traceback } => {
                let error = ErrorText::new(error).error_type(error_type).traceback(traceback);
                match self.open.remove(&call) {
                    Some(Open::Tool(open)) => open.fail(error),
                    other => {
                        self.put_back(
                            call,
                            other,
                            run,
                            EventKind::ToolError { tool_name: tool.into(), error },
                        );
                    }
                }
            }
            Record::RetrieverStart { call, parent, name, query } => {
                let opened = match parent.and_then(|parent| self.open.get(&parent)) {
                    Some(Open::Tool(parent)) => parent.retriever_call(&name, &query),
                    Some(Open::Llm(parent)) => parent.retriever_call(&name, &query),
                    Some(Open::Retriever(parent)) => parent.retriever_call(&name, &query),
                    None => run.retriever_call(&name, &query),
                };
                self.keep(call, Open::Retriever(opened));
            }
            Record::RetrieverEnd { call, documents, .. } => match self.open.remove(&call) {
                Some(Open::Retriever(open)) => open.finish(&documents),
                other => {
                    let documents = to_raw_value(&documents).expect("a JSON value can always be written");
                    self.put_back(call, other, run, EventKind::RetrieverEnd { documents });
                }
            },
            Record::RetrieverError { call, error, error_type, traceback, .. } => {
                let error = ErrorText::new(error).error_type(error_type).traceback(traceback);
                match self.open.remove(&call) {
                    Some(Open::Retriever(open)) => open.fail(error),
                    other => self.put_back(call, other, run, EventKind::RetrieverError { error }),
                }
            }
            _ => {}
        }
    }

    /// The outcome of the run is known: models whose end nobody told have ended well.
    pub(super) fn finish_models(&mut self) {
        let is_model = |_: &String, open: &mut Open| matches!(open, Open::Llm(_));
        end_in_order(self.open.extract_if(is_model).map(|(_, open)| open).collect());
    }

    /// The agent has ended. Of a tool or a search whose end nobody told end users hear nothing: to them it is none of
    /// their business what the agent forgot.
    pub(super) fn close(&mut self) {
        end_in_order(self.open.drain().map(|(_, open)| open).collect());
    }

    /// Keeps a call under its name. One that had the name before was never ended.
    fn keep(&mut self, call: String, open: Open) {
        end_in_order(self.open.insert(call, open).into_iter().collect());
    }

    fn put_back(&mut self, call: String, other: Option<Open>, run: &Run, kind: EventKind) {
        self.open.extend(other.map(|open| (call, open)));
        run.emit(kind);
    }
}

/// Ends calls whose end nobody told, in the order in which they were begun.
fn end_in_order(mut calls: Vec<Open>) {
    calls.sort_by_key(Open::id);
    for open in calls {
        match open {
            Open::Llm(call) => call.finish(LlmEnd::new()),
            Open::Tool(call) => call.let_go(),
            Open::Retriever(call) => call.let_go(),
        }
    }
}

fn tool_input(text: String, arguments: Option<&Value>) -> ToolInput {
    let input = ToolInput::new(text);
    match arguments {
        Some(arguments) => input.arguments(arguments),
        None => input,
    }
}

fn llm_start(model: Option<String>, provider: Option<String>, input: Option<&Value>) -> LlmStart {
    let start = model.map_or_else(LlmStart::default, LlmStart::new);
    let start = match provider {
        Some(provider) => start.provider(provider),
        None => start,
    };
    match input {
        Some(input) => start.input(input),
        None => start,
    }
}

fn llm_end(model: Option<String>, output: Option<&Value>, usage: Option<bridge::TokenUsage>) -> LlmEnd {
    let end = match model {
        Some(model) => LlmEnd::new().model(model),
        None => LlmEnd::new(),
    };
    let end = match output {
        Some(output) => end.output(output),
        None => end,
    };
    match usage {
        Some(usage) => end.usage(token_usage(usage)),
        None => end,
    }
}

fn token_usage(usage: bridge::TokenUsage) -> TokenUsage {
    let mut tokens = TokenUsage::default();
    tokens.input_tokens = usage.input_tokens;
    tokens.output_tokens = usage.output_tokens;
    tokens.total_tokens = usage.total_tokens;
    tokens.cache_read_tokens = usage.cache_read;
    tokens.cache_write_tokens = usage.cache_creation;
    tokens.reasoning_tokens = usage.reasoning;
    tokens
}

#[cfg(test)]
mod tests;
