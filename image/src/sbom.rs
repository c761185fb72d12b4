//! What is in the image, as a `CycloneDX` 1.5 document.
//!
//! Rule: packages, versions and licences, never a path or a time of this machine; the same graph makes the same bytes.

use serde_json::{Value, json};

use crate::base::Base;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::runner::Graph;

/// The document.
pub(crate) fn cyclonedx(graph: &Graph, base: &Base, exporters: &[String], time: Epoch) -> Vec<u8> {
    let packages = graph.closure();
    let mut components: Vec<Value> = Vec::new();
    let mut dependencies: Vec<Value> = Vec::new();
    let reference = |id: &str| packages.iter().find(|package| package.id == id).map(|package| purl(package));
    for package in &packages {
        components.push(component(package));
        let mut needs: Vec<_> =
            graph.normal_dependencies(&package.id).into_iter().filter_map(reference).collect();
        needs.sort();
        needs.dedup();
        dependencies.push(json!({ "ref": purl(package), "dependsOn": needs }));
    }
    components.extend(base_component(base));
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.to_string(),
            "tools": { "components": [{
                "type": "application", "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION"),
            }] },
            "component": {
                "type": "application",
                "bom-ref": "charm-runner-image",
                "name": "charm-runner",
                "properties": exporters.iter().map(|name| json!({ "name": "charm:exporter", "value": name })).collect::<Vec<_>>(),
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    document["serialNumber"] = json!(serial(&document));
    let mut bytes = serde_json::to_vec_pretty(&document).expect("a JSON value can be written");
    bytes.push(b'\n');
    bytes
}

fn component(package: &crate::runner::Package) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "purl": purl(package),
    });
    if let Some(license) = &package.license {
        // Cargo once allowed `/` for "or".
        component["licenses"] = json!([{ "expression": license.replace('/', " OR ").replace("  ", " ") }]);
    }
    if let Some(description) = &package.description {
        component["description"] = json!(description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    component
}

fn base_component(base: &Base) -> Option<Value> {
    let digest = base.digest.as_ref()?;
    let name = base.name.as_deref().unwrap_or("base");
    Some(json!({
        "type": "container",
        "bom-ref": format!("base:{digest}"),
        "name": name,
        "version": digest,
        "hashes": [{ "alg": "SHA-256", "content": digest.hex() }],
    }))
}

fn purl(package: &crate::runner::Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.replace('+', "%2B"))
}

/// A number of its own for each content: the digest in the shape of a UUID (version 8, "custom").
fn serial(document: &Value) -> String {
    let digest = Digest::of(document.to_string().as_bytes());
    let hex = digest.hex();
    format!("urn:uuid:{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}
