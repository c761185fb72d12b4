//! The keys of a manifest: what may be where.
//! One rule: a key is one line here; the only rule about a key that is elsewhere is the entry point's, which
//! depends on another key.

use super::values::Pattern;

/// What a value has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    /// A text of a certain form.
    Matching(Pattern),
    /// One of these texts, to the letter.
    OneOf(&'static [&'static str]),
    Bool,
    /// A whole number, at least this.
    Int {
        least: Option<i128>,
    },
    Float,
    /// A list of texts.
    Texts,
    /// A list of objects.
    Objects(&'static [Field]),
    Object(&'static [Field]),
    /// A mapping with keys of its author's own.
    Free,
    /// `{models, tools}`, or one flat list of both.
    EnvironmentVariables,
    /// The names of exporters.
    Telemetry,
}

/// One key of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Whether nothing (`null`) is as good as leaving it out.
    pub(crate) nullable: bool,
    /// What to do instead, for a key that has had its day.
    pub(crate) deprecated: Option<&'static str>,
}

const fn required(name: &'static str, kind: Kind) -> Field {
    Field { required: true, ..defaulted(name, kind) }
}

/// May be left out, but not be empty.
const fn defaulted(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false, nullable: false, deprecated: None }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { nullable: true, ..defaulted(name, kind) }
}

const ANY_INT: Kind = Kind::Int { least: None };
const FROM_ONE: Kind = Kind::Int { least: Some(1) };

pub(crate) const MANIFEST: &[Field] = &[
    required("version", Kind::Matching(Pattern::ContractVersion)),
    optional("id", Kind::Text),
    required("persona", Kind::Object(PERSONA)),
    optional("pricing", Kind::Object(PRICING)),
    optional("auth", Kind::Object(&[defaulted("providers", Kind::Objects(PROVIDER))])),
    defaulted("goals", Kind::Texts),
    required("interface", Kind::Object(INTERFACE)),
    required("runtime", Kind::Object(RUNTIME)),
    optional("policies", Kind::Object(POLICIES)),
    optional("workflow", Kind::Free),
];

const PERSONA: &[Field] = &[
    required("name", Kind::Text),
    defaulted("version", Kind::Matching(Pattern::ThreeNumbers)),
    required("description", Kind::Text),
    optional("full_description", Kind::Text),
    defaulted("authors", Kind::Texts),
    defaulted("tags", Kind::Texts),
    defaulted("license", Kind::Text),
    optional("assets", Kind::Object(ASSETS)),
];

const ASSETS: &[Field] =
    &[optional("icon", Kind::Text), optional("banner", Kind::Text), defaulted("screenshots", Kind::Texts)];

const PRICING: &[Field] = &[
    defaulted("model", Kind::OneOf(&["free", "subscription", "one_time"])),
    defaulted("amount", Kind::Float),
    optional("billing_period", Kind::OneOf(&["monthly", "annual"])),
    optional("trial", Kind::Object(&[defaulted("enabled", Kind::Bool), optional("days", FROM_ONE)])),
];

const PROVIDER: &[Field] = &[required("name", Kind::Text), defaulted("scopes", Kind::Texts)];

const INTERFACE: &[Field] = &[
    required("input", Kind::Free),
    required("output", Kind::Free),
    optional("state", Kind::Object(STATE)),
    optional("ui", Kind::Free),
];

const STATE: &[Field] = &[
    defaulted("format", Kind::OneOf(&["json", "binary", "pydantic_model"])),
    defaulted("schema", Kind::Free),
];

const RUNTIME: &[Field] = &[
    required("adapter", Kind::Object(ADAPTER)),
    defaulted("skills", Kind::Objects(SKILL)),
    defaulted("telemetry", Kind::Telemetry),
    defaulted("memory", Kind::Object(MEMORY)),
    optional("config", Kind::Object(CONFIG)),
    optional("custom_image", Kind::Text),
    Field {
        deprecated: Some("it no longer does anything; remove it"),
        ..defaulted("mode", Kind::OneOf(&["standard", "full"]))
    },
    defaulted("lifecycle", Kind::OneOf(&["serverless", "daemon", "interactive"])),
];

const ADAPTER: &[Field] = &[
    required("type", Kind::Text),
    optional("entry_point", Kind::Text),
    defaulted("environment_variables", Kind::EnvironmentVariables),
];

pub(crate) const ENVIRONMENT_VARIABLES: &[Field] =
    &[defaulted("models", Kind::Texts), defaulted("tools", Kind::Texts)];

const SKILL: &[Field] = &[
    required("name", Kind::Text),
    required("source", Kind::Text),
    optional("version", Kind::Text),
    defaulted("config", Kind::Free),
];

const MEMORY: &[Field] = &[defaulted("provider", Kind::Text), defaulted("config", Kind::Free)];

const CONFIG: &[Field] = &[
    optional("system_prompt", Kind::Text),
    defaulted("model", Kind::Text),
    defaulted("temperature", Kind::Float),
    defaulted("auto_install_dependencies", Kind::Bool),
];

const POLICIES: &[Field] = &[
    defaulted("allow_internet_access", Kind::Bool),
    optional(
        "human_in_the_loop",
        Kind::Object(&[defaulted("enabled", Kind::Bool), defaulted("triggers", Kind::Texts)]),
    ),
    defaulted("max_steps", ANY_INT),
    defaulted("budget_limit", Kind::Float),
    optional("execution_timeout_seconds", FROM_ONE),
];

/// The variables of a flat list that belong to models; the others belong to tools.
pub(crate) const MODEL_VARIABLES: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "CHARM_LLM_PROXY_BASE",
    "CHARM_LLM_PROXY_KEY",
    "COHERE_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVEAI_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENAI_API_BASE",
    "OPENAI_API_HOST",
    "OPENAI_API_KEY",
    "TOGETHER_API_KEY",
];
