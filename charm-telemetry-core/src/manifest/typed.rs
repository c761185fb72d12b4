//! A manifest that has been checked, with the types of its fields.
//! One rule: whoever holds one may rely on every rule of the contract; there is no other way to get one.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_yaml::Value;

use crate::Location;

use super::check::locate;
use super::names::Names;
use super::node::{Node, Position};

/// A valid `charm.yaml`.
///
/// Fields that this project acts on are typed; the others are kept as they were read.
///
/// ```
/// use charm_telemetry_core::Manifest;
///
/// let text = "
/// version: '0.4'
/// persona: {name: Hello, description: Says hello}
/// interface: {input: {}, output: {}}
/// runtime: {adapter: {type: python, entry_point: 'main:agent'}}
/// ";
/// let manifest = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest;
/// assert_eq!(manifest.persona.name, "Hello");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The version of the contract, `0.4` or `0.4.N`.
    pub version: String,
    /// The agent's id in the store.
    pub id: Option<String>,
    /// Who the agent is.
    pub persona: Persona,
    /// What it costs.
    pub pricing: Option<Value>,
    /// The sign-ins it asks its users for.
    pub auth: Option<Value>,
    /// What it is for.
    #[serde(default)]
    pub goals: Vec<String>,
    /// What goes in and what comes out.
    pub interface: Value,
    /// How it is run.
    pub runtime: Runtime,
    /// What it may do, and for how long.
    #[serde(default, deserialize_with = "or_default")]
    pub policies: Policies,
    /// Free for the author.
    pub workflow: Option<Value>,
    #[serde(skip)]
    places: Places,
}

/// Who the agent is.
///
/// ```
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # interface: {input: {}, output: {}}
/// # runtime: {adapter: {type: python, entry_point: 'main:agent'}}
/// # persona: {name: Hello, description: Says hello}
/// # ";
/// // persona: {name: Hello, description: Says hello}
/// let persona = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest.persona;
/// assert_eq!(persona.description, "Says hello");
/// assert_eq!(persona.version, "0.1.0", "which is what it is if nothing is said");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Persona {
    /// Its name.
    pub name: String,
    /// Its own version, `1.2.3`.
    #[serde(default = "first_version")]
    pub version: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Everything else that is said of it.
    #[serde(flatten)]
    pub rest: serde_yaml::Mapping,
}

/// How the agent is run.
///
/// ```
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # persona: {name: Hello, description: Says hello}
/// # interface: {input: {}, output: {}}
/// # runtime:
/// #   adapter: {type: python, entry_point: 'main:agent'}
/// #   telemetry: [otlp, datadog]
/// # ";
/// // runtime:
/// //   adapter: {type: python, entry_point: 'main:agent'}
/// //   telemetry: [otlp, datadog]
/// let runtime = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest.runtime;
/// assert_eq!(runtime.telemetry.len(), 2);
/// assert_eq!(runtime.custom_image, None);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Runtime {
    /// What runs it.
    pub adapter: Adapter,
    /// The exporters it asks for, in the order of the file.
    #[serde(default)]
    pub telemetry: Vec<ExporterName>,
    /// The image to run it in, in place of the adapter's own.
    pub custom_image: Option<String>,
    /// Skills, memory and whatever else is not ours.
    #[serde(flatten)]
    pub rest: serde_yaml::Mapping,
}

/// What runs the agent.
///
/// ```
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # persona: {name: Hello, description: Says hello}
/// # interface: {input: {}, output: {}}
/// # runtime:
/// #   adapter: {type: python, entry_point: 'main:agent'}
/// # ";
/// // adapter: {type: python, entry_point: 'main:agent'}
/// let adapter = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest.runtime.adapter;
/// assert_eq!(adapter.kind, "python");
/// assert_eq!(adapter.entry_point.as_deref(), Some("main:agent"));
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Adapter {
    /// `python`, `langgraph`, `node` and so on: not checked here.
    #[serde(rename = "type")]
    pub kind: String,
    /// `module.path:attribute`, or a command. Never empty but for an adapter that needs none.
    pub entry_point: Option<String>,
    /// The variables it needs.
    #[serde(default)]
    pub environment_variables: EnvironmentVariables,
}

/// The names of the variables that the agent needs. A flat list in the file is split into the two.
///
/// ```
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # persona: {name: Hello, description: Says hello}
/// # interface: {input: {}, output: {}}
/// # runtime:
/// #   adapter:
/// #     type: python
/// #     entry_point: main:agent
/// #     environment_variables: [OPENAI_API_KEY, SEARCH_KEY]
/// # ";
/// // environment_variables: [OPENAI_API_KEY, SEARCH_KEY]
/// let adapter = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest.runtime.adapter;
/// assert_eq!(adapter.environment_variables.models, ["OPENAI_API_KEY"]);
/// assert_eq!(adapter.environment_variables.tools, ["SEARCH_KEY"]);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EnvironmentVariables {
    /// Those that the makers of models ask for.
    pub models: Vec<String>,
    /// All the others.
    pub tools: Vec<String>,
}

/// What the agent may do.
///
/// ```
/// # use std::time::Duration;
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # persona: {name: Hello, description: Says hello}
/// # interface: {input: {}, output: {}}
/// # runtime: {adapter: {type: python, entry_point: 'main:agent'}}
/// # policies: {execution_timeout_seconds: 90}
/// # ";
/// // policies: {execution_timeout_seconds: 90}
/// let policies = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest.policies;
/// assert_eq!(policies.execution_timeout, Some(Duration::from_secs(90)));
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Policies {
    /// The longest a run may take.
    #[serde(rename = "execution_timeout_seconds", default, deserialize_with = "seconds")]
    pub execution_timeout: Option<Duration>,
    /// Policies that are not ours to enforce.
    #[serde(flatten)]
    pub rest: serde_yaml::Mapping,
}

/// The name of an exporter as it stands in `runtime.telemetry`; whether there is one of that name is not known yet.
///
/// ```
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # persona: {name: Hello, description: Says hello}
/// # interface: {input: {}, output: {}}
/// # runtime:
/// #   adapter: {type: python, entry_point: 'main:agent'}
/// #   telemetry: [otlp, datadog]
/// # ";
/// // telemetry: [otlp, datadog]
/// let wanted = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest.runtime.telemetry;
/// assert_eq!(wanted[1].name, "datadog");
/// assert_eq!(wanted[1].location.to_string(), "charm.yaml:7:21");
/// assert_eq!(wanted[1].key_path, "runtime.telemetry[1]");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub struct ExporterName {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub location: Location,
    /// The path to it, as problems write it.
    pub key_path: String,
}

impl From<String> for ExporterName {
    fn from(name: String) -> Self {
        Self { name, location: locate("", Position::default()), key_path: String::new() }
    }
}

impl Manifest {
    /// The manifest that a checked tree stands for.
    ///
    /// # Errors
    ///
    /// Never, if check and types agree about the contract.
    pub(crate) fn from_checked(
        value: Value,
        file: &str,
        root: Node,
        names: &Names,
    ) -> Result<Self, serde_yaml::Error> {
        let mut manifest: Self = serde_yaml::from_value(value)?;
        // The values alone do not know their places.
        manifest.runtime.telemetry.clone_from(&names.telemetry);
        manifest.places = Places { file: file.to_owned(), root: Some(Arc::new(root)) };
        Ok(manifest)
    }

    /// Where the value of a key stands; the path is written as problems write it.
    ///
    /// ```
    /// # let text = "
    /// # version: '0.4'
    /// # persona: {name: Hello, description: Says hello}
    /// # interface: {input: {}, output: {}}
    /// # runtime:
    /// #   adapter: {type: python, entry_point: main:agent}
    /// #   telemetry: [otlp, datadog]
    /// # ";
    /// use charm_telemetry_core::Manifest;
    ///
    /// let manifest = Manifest::parse(text.as_bytes(), "charm.yaml")?.manifest;
    /// let second = manifest.location_of("runtime.telemetry[1]").expect("there are two");
    /// assert_eq!(second.to_string(), "charm.yaml:7:21");
    /// # Ok::<(), charm_telemetry_core::Problems>(())
    /// ```
    pub fn location_of(&self, key_path: &str) -> Option<Location> {
        let node = self.places.root.as_ref()?.find(key_path)?;
        Some(locate(&self.places.file, node.position))
    }
}

/// The tree that the manifest came from.
#[derive(Clone, Debug, Default)]
struct Places {
    file: String,
    root: Option<Arc<Node>>,
}

fn first_version() -> String {
    "0.1.0".into()
}

fn or_default<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Policies, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A time too long for 64 bits of seconds is as long as it gets.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds: Option<f64> = Option::deserialize(deserializer)?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
}
