//! The configuration of the image: what a container of it starts with.
//!
//! Rule: what the base says stays, key by key, unless the request or the runner has to say otherwise.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::RequestError;

/// What a user can say about how the container starts.
#[derive(Debug, Clone, Default)]
pub struct StartSettings {
    /// More environment.
    pub env: BTreeMap<String, String>,
    /// The user, instead of the base's.
    pub user: Option<String>,
    /// The entry point, instead of the base's; an empty list removes it.
    pub entrypoint: Option<Vec<String>>,
    /// More labels.
    pub labels: BTreeMap<String, String>,
}

/// The folder of the runner in the image.
pub(crate) const BIN: &str = "/opt/charm/bin";
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What scratch has for a user: nobody's number, so that it is nobody's on the host.
pub(crate) const SCRATCH_USER: &str = "65532:65532";

/// How our layers begin to say what made them.
pub(crate) const MAKER: &str = "cargo xtask image: ";

/// A configuration under work.
#[derive(Debug)]
pub(crate) struct Config(Value);

impl Config {
    pub(crate) fn of_base(config: &Value) -> Self {
        Self(config.clone())
    }

    /// Adds a layer of ours.
    pub(crate) fn add_layer(&mut self, diff_id: &Digest, what: &str, time: Epoch) {
        array(object(&mut self.0, "rootfs"), "diff_ids").push(json!(diff_id));
        let history = json!({ "created": time.to_string(), "created_by": format!("{MAKER}{what}") });
        array(self.root(), "history").push(history);
    }

    /// Puts the runner first, and applies the settings and labels.
    pub(crate) fn start_with_runner(
        &mut self,
        settings: &StartSettings,
        labels: &BTreeMap<String, String>,
        time: Epoch,
    ) {
        self.root().insert("created".into(), json!(time.to_string()));
        self.set_environment(&settings.env);
        self.set_labels(labels);
        let start = object(&mut self.0, "config");
        if let Some(user) = &settings.user {
            start.insert("User".into(), json!(user));
        }
        match &settings.entrypoint {
            Some(words) if words.is_empty() => drop(start.remove("Entrypoint")),
            Some(words) => drop(start.insert("Entrypoint".into(), json!(words))),
            None => {}
        }
        // The base's default command is a program of the base; ours is what the cloud runs, without the input.
        let bare_entrypoint = settings.entrypoint.as_ref().is_some_and(|words| !words.is_empty());
        let command = if bare_entrypoint { json!(null) } else { json!(["charm", "run", "."]) };
        start.insert("Cmd".into(), command);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        // `Value` keeps its keys sorted, so the same configuration is the same bytes.
        serde_json::to_vec(&self.0).expect("a JSON value can be written")
    }

    fn set_environment(&mut self, more: &BTreeMap<String, String>) {
        let env = array(object(&mut self.0, "config"), "Env");
        for (name, value) in more {
            set_variable(env, name, value);
        }
        let path = variable(env, "PATH").unwrap_or(DEFAULT_PATH).to_owned();
        let others = path.split(':').filter(|folder| *folder != BIN).collect::<Vec<_>>().join(":");
        // After a colon nothing means the current folder, where an agent could have another `charm`.
        let joint = if others.is_empty() { "" } else { ":" };
        set_variable(env, "PATH", &format!("{BIN}{joint}{others}"));
    }

    /// Labels by which the base describes itself would describe the wrong image.
    fn set_labels(&mut self, labels: &BTreeMap<String, String>) {
        let start = object(&mut self.0, "config");
        let old = start.remove("Labels");
        let old = old.as_ref().and_then(Value::as_object).into_iter().flatten();
        let kept = old.filter(|(name, _)| !name.starts_with("org.opencontainers.image."));
        let mut all: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        all.extend(labels.iter().map(|(name, value)| (name.clone(), json!(value))));
        start.insert("Labels".into(), Value::Object(all));
    }

    fn root(&mut self) -> &mut Map<String, Value> {
        self.0.as_object_mut().expect("a configuration was read as an object")
    }
}

fn variable<'a>(env: &'a [Value], name: &str) -> Option<&'a str> {
    env.iter().filter_map(Value::as_str).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// In its place if it is there, so that the base's order stays.
fn set_variable(env: &mut Vec<Value>, name: &str, value: &str) {
    let pair = json!(format!("{name}={value}"));
    let is_it = |old: &Value| old.as_str().is_some_and(|old| old.split('=').next() == Some(name));
    match env.iter_mut().find(|old| is_it(old)) {
        Some(old) => *old = pair,
        None => env.push(pair),
    }
}

/// The object under a key, made if it is missing or null.
fn object<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !value[key].is_object() {
        value[key] = json!({});
    }
    value[key].as_object_mut().expect("it was made an object")
}

/// The list under a key, made if it is missing or null.
fn array<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let value = object.entry(key).or_insert_with(|| json!([]));
    if !value.is_array() {
        *value = json!([]);
    }
    value.as_array_mut().expect("it was made a list")
}

/// Reads `name=value`.
///
/// # Errors
/// [`RequestError::Argument`] without a name or without `=`.
pub(crate) fn pair(option: &str, text: &str) -> Result<(String, String), RequestError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(RequestError::Argument(format!(
            "`{option} {text}` has no name and value; write `{option} NAME=VALUE`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, StartSettings};
    use crate::epoch::Epoch;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn start(base: &Value, settings: &StartSettings) -> Value {
        let mut config = Config::of_base(base);
        let labels = BTreeMap::from([("org.opencontainers.image.title".to_owned(), "ours".to_owned())]);
        config.start_with_runner(settings, &labels, Epoch(0));
        serde_json::from_slice(&config.into_bytes()).unwrap()
    }

    #[test]
    fn what_the_base_says_survives() {
        let base = json!({
            "architecture": "amd64", "os": "linux", "variant": "v2", "moby.unknown": 1,
            "config": {
                "User": "agent", "WorkingDir": "/app", "Entrypoint": ["tini", "--"], "Cmd": ["python3"],
                "Env": ["A=1", "PATH=/usr/bin:/bin", "B=x=y"],
                "Healthcheck": { "Test": ["CMD", "true"] }, "OnBuild": ["RUN x"], "Shell": ["/bin/bash"],
                "Labels": { "team": "a", "org.opencontainers.image.title": "python" },
            },
        });
        let mut expected = base.clone();
        expected["created"] = json!("1970-01-01T00:00:00Z");
        expected["config"]["Cmd"] = json!(["charm", "run", "."]);
        expected["config"]["Env"] = json!(["A=1", "PATH=/opt/charm/bin:/usr/bin:/bin", "B=x=y"]);
        expected["config"]["Labels"] = json!({ "team": "a", "org.opencontainers.image.title": "ours" });
        assert_eq!(start(&base, &StartSettings::default()), expected);
    }

    #[test]
    fn our_own_image_as_a_base_is_not_put_on_path_twice() {
        let base = json!({ "config": { "Env": ["PATH=/usr/bin:/opt/charm/bin:/bin"], "Labels": null } });
        let env = &start(&base, &StartSettings::default())["config"]["Env"];
        assert_eq!(*env, json!(["PATH=/opt/charm/bin:/usr/bin:/bin"]));
    }

    #[test]
    fn an_empty_path_does_not_become_the_current_folder() {
        for path in ["PATH=", "PATH=/opt/charm/bin", "PATH=/opt/charm/bin:/opt/charm/bin"] {
            let env =
                &start(&json!({ "config": { "Env": [path] } }), &StartSettings::default())["config"]["Env"];
            assert_eq!(*env, json!(["PATH=/opt/charm/bin"]), "for `{path}`");
        }
    }

    #[test]
    fn settings_replace_what_the_base_says() {
        let base = json!({ "config": { "User": "root", "Entrypoint": ["tini"], "Env": ["A=1", "Z=1"] } });
        let settings = StartSettings {
            env: BTreeMap::from([("A".to_owned(), "2".to_owned())]),
            user: Some("1000".to_owned()),
            entrypoint: Some(vec!["charm".to_owned(), "run".to_owned()]),
            ..StartSettings::default()
        };
        let config = &start(&base, &settings)["config"];
        assert_eq!(config["User"], "1000");
        assert_eq!(config["Entrypoint"], json!(["charm", "run"]));
        assert_eq!(config["Cmd"], json!(null));
        assert_eq!(config["Env"][0], "A=2");
        let none = StartSettings { entrypoint: Some(Vec::new()), ..StartSettings::default() };
        assert_eq!(start(&base, &none)["config"].get("Entrypoint"), None);
    }
}
