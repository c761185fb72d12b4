//! The kinds of agents that run on Python.
//! The one rule: a name of the manifest maps to one way of calling, and `custom` is another word for `python`.

use std::str::FromStr;

use thiserror::Error;

/// How the entry point of a Python agent is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PythonAdapter {
    /// A function, or a class or object with `invoke` or `run`; arguments by name.
    Python,
    /// A LangChain runnable.
    LangChain,
    /// A LangGraph graph, compiled or not.
    LangGraph,
    /// A CrewAI crew.
    CrewAi,
}

impl PythonAdapter {
    /// The word by which the bridge's Python knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::LangChain => "langchain",
            Self::LangGraph => "langgraph",
            Self::CrewAi => "crewai",
        }
    }
}

impl FromStr for PythonAdapter {
    type Err = UnknownAdapter;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "python" | "custom" => Ok(Self::Python),
            "langchain" => Ok(Self::LangChain),
            "langgraph" => Ok(Self::LangGraph),
            "crewai" => Ok(Self::CrewAi),
            _ => Err(UnknownAdapter(name.to_owned())),
        }
    }
}

/// The name is none of the adapters that run on Python: another adapter must take it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no Python adapter; those are crewai, custom, langchain, langgraph, python")]
pub struct UnknownAdapter(String);
