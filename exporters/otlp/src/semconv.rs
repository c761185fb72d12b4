//! The names of the GenAI semantic conventions, v1.41.
//!
//! Rule: constants of our own, one place: the conventions are still being renamed.

/// The version of the conventions, for receivers that translate between versions.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";

pub(crate) const OPERATION_NAME: &str = "gen_ai.operation.name";
pub(crate) const PROVIDER_NAME: &str = "gen_ai.provider.name";
pub(crate) const AGENT_NAME: &str = "gen_ai.agent.name";
pub(crate) const AGENT_VERSION: &str = "gen_ai.agent.version";
pub(crate) const CONVERSATION_ID: &str = "gen_ai.conversation.id";
pub(crate) const REQUEST_MODEL: &str = "gen_ai.request.model";
/// Before the names of the parameters of a model.
pub(crate) const REQUEST_PREFIX: &str = "gen_ai.request.";
pub(crate) const REQUEST_STREAM: &str = "gen_ai.request.stream";
pub(crate) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(crate) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(crate) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(crate) const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(crate) const CACHE_CREATION_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
/// What the conventions call [`CACHE_CREATION_TOKENS`] after v1.41. Phoenix knows only the older name.
pub(crate) const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
pub(crate) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub(crate) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub(crate) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
pub(crate) const TOOL_NAME: &str = "gen_ai.tool.name";
pub(crate) const TOOL_TYPE: &str = "gen_ai.tool.type";
pub(crate) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub(crate) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
pub(crate) const DATA_SOURCE_ID: &str = "gen_ai.data_source.id";
pub(crate) const RETRIEVAL_QUERY: &str = "gen_ai.retrieval.query.text";
pub(crate) const RETRIEVAL_DOCUMENTS: &str = "gen_ai.retrieval.documents";
pub(crate) const TOKEN_TYPE: &str = "gen_ai.token.type";
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const EXCEPTION_TYPE: &str = "exception.type";
pub(crate) const EXCEPTION_MESSAGE: &str = "exception.message";
pub(crate) const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";

/// The value of `error.type` when no class is known.
pub(crate) const OTHER_ERROR: &str = "_OTHER";

/// The conventions' name of a provider; any other name stays as it is.
pub(crate) fn provider(name: &str) -> &str {
    match name {
        "azure" | "azure_openai" | "azure-openai-chat" => "azure.ai.openai",
        "azure_ai" => "azure.ai.inference",
        "bedrock" | "aws_bedrock" | "amazon_bedrock" | "bedrock_converse" => "aws.bedrock",
        "google_genai" | "google" | "gemini" => "gcp.gemini",
        "google_vertexai" | "vertexai" | "vertex_ai" => "gcp.vertex_ai",
        "mistralai" | "mistral" => "mistral_ai",
        "xai" => "x_ai",
        "ibm" | "watsonx" => "ibm.watsonx.ai",
        "moonshot" => "moonshot_ai",
        other => other,
    }
}
