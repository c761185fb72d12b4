//! Chooses from an index, and reads a manifest.
//!
//! Rule: an image for another platform is never taken for want of a better one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::platform::Platform;

/// The manifest for this platform among those of an index.
pub(super) fn from_index(index: &Value, platform: &Platform, name: &str) -> Result<Digest, RegistryError> {
    let entries = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let fits = |entry: &&Value| entry.get("platform").is_some_and(|described| platform.matches(described));
    // An index of one image without a platform is how layouts of one image are written.
    let only = (entries.len() == 1 && entries[0].get("platform").is_none()).then(|| &entries[0]);
    let digest = entries.iter().find(fits).or(only).and_then(|entry| entry.get("digest")?.as_str());
    digest.and_then(Digest::parse).ok_or_else(|| {
        let known: Vec<_> = entries.iter().filter_map(described).collect();
        let known = if known.is_empty() { "none that say for what".to_owned() } else { known.join(", ") };
        RegistryError::Malformed(format!(
            "`{name}` has no image for {platform}; it has: {known}; choose another base or --platform"
        ))
    })
}

/// Refuses a layout that holds several images for the platform: nobody said which is meant.
pub(super) fn refuse_choice(index: &Value, platform: &Platform, name: &str) -> Result<(), RegistryError> {
    let entries = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let fits = |entry: &&Value| entry.get("platform").is_some_and(|described| platform.matches(described));
    let mut candidates: Vec<_> = entries.iter().filter(fits).collect();
    if candidates.is_empty() {
        candidates.extend(entries.iter().filter(|entry| entry.get("platform").is_none()));
    }
    let digests: BTreeSet<_> = candidates.iter().filter_map(|entry| entry.get("digest")?.as_str()).collect();
    if digests.len() < 2 {
        return Ok(());
    }
    let names: Vec<_> = candidates.into_iter().map(called).collect();
    Err(RegistryError::Malformed(format!(
        "`{name}` holds several images for {platform}: {}; write a layout of the one that is meant, as with `skopeo copy {name}:TAG oci:OTHER`",
        names.join(", ")
    )))
}

/// By its whole name, its tag, or else its digest.
fn called(entry: &Value) -> String {
    let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    let named = keys.iter().find_map(|key| entry.get("annotations")?.get(*key)?.as_str());
    format!("`{}`", named.or_else(|| entry.get("digest")?.as_str()).unwrap_or("?"))
}

fn described(entry: &Value) -> Option<String> {
    let text = |key: &str| entry.get("platform")?.get(key)?.as_str();
    (text("os") != Some("unknown")).then(|| Some(format!("{}/{}", text("os")?, text("architecture")?)))?
}

/// The configuration and the layers of a manifest.
pub(super) fn parts(manifest: &Value, name: &str) -> Result<(Descriptor, Vec<Descriptor>), RegistryError> {
    let broken =
        || RegistryError::Malformed(format!("the manifest of `{name}` is not whole; choose another base"));
    let config = manifest.get("config").and_then(Descriptor::from_json).ok_or_else(broken)?;
    let layers = manifest.get("layers").and_then(Value::as_array).ok_or_else(broken)?;
    let layers = layers.iter().map(Descriptor::from_json).collect::<Option<Vec<_>>>().ok_or_else(broken)?;
    Ok((config, layers))
}

/// The configuration, if it is one for the platform and tells of every layer.
pub(super) fn config(
    bytes: &[u8],
    layers: &[Descriptor],
    platform: &Platform,
    name: &str,
) -> Result<Value, RegistryError> {
    let bad = |reason: String| RegistryError::Malformed(format!("`{name}`: {reason}; choose another base"));
    let config: Value = serde_json::from_slice(bytes)
        .map_err(|error| bad(format!("its configuration is no JSON ({error})")))?;
    let diff_ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array).map_or(0, Vec::len);
    if diff_ids != layers.len() {
        return Err(bad(format!(
            "its configuration tells of {diff_ids} layers, its manifest of {}",
            layers.len()
        )));
    }
    if !platform.matches(&config) {
        let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or("?");
        return Err(bad(format!("it is for {}/{}, not for {platform}", text("os"), text("architecture"))));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::refuse_choice;

    fn entry(digit: &str, architecture: Option<&str>, tag: Option<&str>) -> Value {
        let mut entry = json!({ "digest": format!("sha256:{}", digit.repeat(64)) });
        if let Some(architecture) = architecture {
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        }
        if let Some(tag) = tag {
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        }
        entry
    }

    fn check(entries: &[Value], expected: Option<&str>) {
        let index = json!({ "manifests": entries });
        let said = refuse_choice(&index, &"linux/amd64".parse().unwrap(), "oci:x").err();
        let said = said.map(|error| error.to_string());
        let expected = expected.map(|names| {
            format!("`oci:x` holds several images for linux/amd64: {names}; write a layout of the one that is meant, as with `skopeo copy oci:x:TAG oci:OTHER`")
        });
        assert_eq!(said, expected, "{entries:?}");
    }

    #[test]
    fn a_layout_of_several_images_for_one_platform_is_no_base() {
        let amd = Some("amd64");
        check(&[entry("1", amd, Some("a")), entry("2", amd, Some("b"))], Some("`a`, `b`"));
        // As other programs write them, without a platform.
        let nameless = format!("`a`, `sha256:{}`", "2".repeat(64));
        check(&[entry("1", None, Some("a")), entry("2", None, None)], Some(&nameless));
        check(&[entry("1", amd, Some("a")), entry("1", amd, Some("b"))], None);
        check(
            &[entry("1", amd, None), entry("2", Some("arm64"), None), entry("3", Some("arm64"), None)],
            None,
        );
        check(&[entry("1", amd, None), entry("2", None, None)], None);
    }
}
