//! The two things that an image takes from a `charm.yaml`.
//!
//! Rule: nothing else of the manifest is judged here; `charm-runner validate` does that.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use crate::error::{RequestError, plain};
use crate::reference::Reference;

/// What a manifest says of the image that it runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestWishes {
    /// `runtime.telemetry`.
    pub telemetry: Vec<String>,
    /// `runtime.custom_image`, as it is written.
    pub custom_image: Option<String>,
    /// Whose wishes these are.
    path: PathBuf,
}

impl ManifestWishes {
    /// Reads a manifest; a folder means the `charm.yaml` in it.
    ///
    /// # Errors
    /// [`RequestError::Manifest`] if it cannot be read, or one of the two is not even a list or a text.
    pub fn read(path: &Path) -> Result<Self, RequestError> {
        let path = if path.is_dir() { path.join("charm.yaml") } else { path.to_owned() };
        let bad = |reason: String| RequestError::Manifest { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| bad(format!("{}; name a `charm.yaml` or its folder", plain(&error))))?;
        Ok(Self { path: path.clone(), ..Self::parse(&text).map_err(bad)? })
    }

    /// The name of the image, for who gives it no other.
    ///
    /// # Errors
    /// [`RequestError::Manifest`] if it is no reference, or one with a digest.
    pub fn tag(&self) -> Result<Option<Reference>, RequestError> {
        let Some(text) = &self.custom_image else { return Ok(None) };
        let bad = |reason: String| RequestError::Manifest {
            path: self.path.clone(),
            reason: format!("runtime.custom_image: {reason}"),
        };
        let tag: Reference = text.parse().map_err(|error: RequestError| bad(error.to_string()))?;
        if tag.digest.is_some() {
            return Err(bad(format!(
                "`{text}` has a digest, which only the finished image can have; leave out what begins with `@`, \
                 or name the image with `--tag`"
            )));
        }
        Ok(Some(tag))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let manifest: Value =
            serde_yaml::from_str(text).map_err(|error| format!("no valid YAML: {error}"))?;
        let runtime = manifest.get("runtime").unwrap_or(&Value::Null);
        let telemetry = match runtime.get("telemetry") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Sequence(names)) => names.iter().map(name).collect::<Result<_, _>>()?,
            Some(_) => return Err(NO_LIST.to_owned()),
        };
        let custom_image = match runtime.get("custom_image") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err("runtime.custom_image is no text; write the name of an image".to_owned()),
        };
        Ok(Self { telemetry, custom_image, path: PathBuf::new() })
    }
}

const NO_LIST: &str = "runtime.telemetry is no list of names; write `telemetry: [otlp, sentry]`";

fn name(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| NO_LIST.to_owned())
}

#[cfg(test)]
mod tests {
    use super::ManifestWishes;

    #[test]
    fn names_and_the_image_are_taken() {
        let text = "runtime:\n  telemetry: [otlp, mine]\n  custom_image: ghcr.io/a/b:1\n";
        let wishes = ManifestWishes::parse(text).unwrap();
        assert_eq!(wishes.telemetry, ["otlp", "mine"]);
        assert_eq!(wishes.tag().unwrap().unwrap().to_string(), "ghcr.io/a/b:1");
        let none = ManifestWishes::parse("runtime: {}").unwrap();
        assert_eq!((none.tag().unwrap(), none), (None, ManifestWishes::default()));
    }

    #[test]
    fn a_name_that_no_image_can_be_given_is_refused_when_it_is_needed() {
        let digest = format!("ghcr.io/a/b@sha256:{}", "0".repeat(64));
        for (name, expected) in [
            (
                "A/b",
                "runtime.custom_image: `A/b` is no image reference: a repository is in lower case; write `a/b`",
            ),
            (digest.as_str(), "leave out what begins with `@`, or name the image with `--tag`"),
        ] {
            let wishes = ManifestWishes::parse(&format!("runtime: {{custom_image: '{name}'}}")).unwrap();
            let error = wishes.tag().unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_key() {
        for (text, expected) in [
            ("runtime:\n  telemetry: otlp\n", super::NO_LIST),
            ("runtime:\n  telemetry: [{a: 1}]\n", super::NO_LIST),
            (
                "runtime:\n  custom_image: [a]\n",
                "runtime.custom_image is no text; write the name of an image",
            ),
        ] {
            assert_eq!(ManifestWishes::parse(text).unwrap_err(), expected);
        }
    }
}
