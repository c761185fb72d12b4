//! What a manifest names and others have to know: its adapter, its exporters, its variables.
//! One rule: they are had from a manifest with faults too, so that whoever knows the names can tell what is wrong with
//! them together with all the rest.

use crate::Location;

use super::check::locate;
use super::node::{Data, Node};
use super::typed::ExporterName;
use super::values;

/// What a manifest names, as far as it can be read; the manifest itself may be refused.
///
/// ```
/// use charm_telemetry_core::manifest::{Examined, Manifest};
///
/// let text = "runtime: {adapter: {type: pyton}, telemetry: [datadgo, 3, otlp]}";
/// let Examined { outcome, names, .. } = Manifest::examine(text.as_bytes(), "charm.yaml");
/// assert!(outcome.is_err());
/// assert_eq!(names.adapter.unwrap().kind, "pyton");
/// assert_eq!(names.telemetry[1].key_path, "runtime.telemetry[2]");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Names {
    /// The type of the adapter.
    pub adapter: Option<AdapterName>,
    /// The exporters, in the order of the file.
    pub telemetry: Vec<ExporterName>,
    /// The variables that the agent needs, for models or for tools.
    pub variables: Vec<String>,
}

/// The type of an adapter as it stands in `runtime.adapter.type`; whether there is one of that name is not known yet.
///
/// ```
/// use charm_telemetry_core::Manifest;
///
/// let text = "runtime: {adapter: {type: pyton}}";
/// let adapter = Manifest::examine(text.as_bytes(), "charm.yaml").names.adapter.unwrap();
/// assert_eq!((adapter.kind.as_str(), adapter.location.column), ("pyton", 27));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterName {
    /// The type.
    pub kind: String,
    /// Where it stands.
    pub location: Location,
}

impl Names {
    /// The names in a tree. Those that are no names at all are left to the check of the tree.
    pub(super) fn of(file: &str, root: &Node) -> Self {
        let adapter = root.find("runtime.adapter.type").and_then(|node| {
            Some(AdapterName { kind: values::text(node)?, location: locate(file, node.position) })
        });
        Self { adapter, telemetry: exporters(file, root), variables: variables(root) }
    }
}

fn exporters(file: &str, root: &Node) -> Vec<ExporterName> {
    const PATH: &str = "runtime.telemetry";
    let exporter = |node: &Node, key_path: String| {
        Some(ExporterName { name: values::text(node)?, location: locate(file, node.position), key_path })
    };
    let Some(node) = root.find(PATH) else { return Vec::new() };
    let Some(items) = node.items() else {
        // One that lacks its brackets.
        return exporter(node, PATH.to_owned()).into_iter().collect();
    };
    let items = items.iter().enumerate();
    items.filter_map(|(index, item)| exporter(item, format!("{PATH}[{index}]"))).collect()
}

/// Whatever stands there and is a text: of a manifest with faults rather one secret too many.
fn variables(root: &Node) -> Vec<String> {
    let Some(node) = root.find("runtime.adapter.environment_variables") else { return Vec::new() };
    let lists = match &node.data {
        Data::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
        _ => vec![node],
    };
    let items = lists.into_iter().filter_map(Node::items).flatten();
    items.filter_map(values::text).collect()
}
