//! Finds who we are for a registry, where Docker and Podman keep it.
//!
//! Rule: files are only read; a helper that is named must work, because going on as a stranger hides the cause.

use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

use crate::error::{RegistryError, plain};
use crate::program::{Program, Reach};

/// What one logs in with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Password { user: String, password: String },
    IdentityToken(String),
}

/// Never the secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user})"),
            Self::IdentityToken(_) => write!(f, "IdentityToken"),
        }
    }
}

/// A login and where it was found, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) login: Login,
    pub(super) origin: String,
}

/// What one wants to be let into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) registry: String,
    pub(super) repository: String,
}

/// The login for this door: in Docker's file first, then in Podman's.
pub(super) fn find(door: &Door) -> Result<Option<Found>, RegistryError> {
    find_in_files(&files(|name| std::env::var_os(name)), door)
}

/// A file that may hold logins, and the variable that names another in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LoginFile {
    path: PathBuf,
    variable: &'static str,
}

fn find_in_files(files: &[LoginFile], door: &Door) -> Result<Option<Found>, RegistryError> {
    for LoginFile { path: file, variable } in files {
        let shown = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => {
                let reason = plain(&error);
                return Err(RegistryError::Credentials(format!(
                    "cannot read `{shown}`, where logins are kept: {reason}; make it readable, or point {variable} elsewhere"
                )));
            }
        };
        let json: Value = serde_json::from_str(&text).map_err(|error| {
            RegistryError::Credentials(format!("`{shown}` is no JSON ({error}); correct it or log in again"))
        })?;
        if let Some(found) = find_in(&json, door, file)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// As both programs have it: a variable takes the place of what goes without saying.
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<LoginFile> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |path: &str| set("HOME").map(|home| home.join(path));
    let docker = set(DOCKER).or_else(|| home(".docker")).map(|folder| folder.join("config.json"));
    let podman = set(PODMAN).map_or_else(
        || {
            let session = set("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
            [session, home(".config/containers/auth.json")]
        },
        |named| [Some(named), None],
    );
    let file = |path, variable| LoginFile { path, variable };
    let docker = docker.into_iter().map(|path| file(path, DOCKER));
    docker.chain(podman.into_iter().flatten().map(|path| file(path, PODMAN))).collect()
}

const DOCKER: &str = "DOCKER_CONFIG";
const PODMAN: &str = "REGISTRY_AUTH_FILE";

/// A helper for this very registry, else what the file itself holds, else the helper for all.
fn find_in(json: &Value, door: &Door, file: &Path) -> Result<Option<Found>, RegistryError> {
    let keys = spellings(&door.registry);
    let helper = keys.iter().find_map(|key| Some((key, json.get("credHelpers")?.get(key)?.as_str()?)));
    if let Some((key, helper)) = helper {
        return ask_helper(helper, key);
    }
    for entry in door.paths().iter().chain(&keys).filter_map(|key| json.get("auths")?.get(key)) {
        if let Some(login) = stored(entry, &door.registry, file)? {
            return Ok(Some(Found { login, origin: format!("`{}`", file.display()) }));
        }
    }
    let Some(store) = json.get("credsStore").and_then(Value::as_str) else { return Ok(None) };
    let mut answers = keys.iter().map(|key| ask_helper(store, key));
    answers.find(|answer| !matches!(answer, Ok(None))).unwrap_or(Ok(None))
}

impl Door {
    /// Podman keeps logins for a part of a registry too: `ghcr.io/team/app`, `ghcr.io/team`, the narrowest first.
    fn paths(&self) -> Vec<String> {
        let ends = self.repository.match_indices('/').map(|(at, _)| at).chain([self.repository.len()]);
        let parts: Vec<_> = ends.map(|at| format!("{}/{}", self.registry, &self.repository[..at])).collect();
        parts.into_iter().rev().collect()
    }
}

/// The ways in which files name a registry.
fn spellings(registry: &str) -> Vec<String> {
    let forms = |host: &str| {
        ["", "/", "/v1/", "/v2/"]
            .iter()
            .flat_map(|tail| ["https://", "http://", ""].map(|scheme| format!("{scheme}{host}{tail}")))
            .collect::<Vec<_>>()
    };
    if registry == "docker.io" {
        // Docker keeps its own registry under an address of old.
        return ["index.docker.io", "docker.io", "registry-1.docker.io"]
            .into_iter()
            .flat_map(forms)
            .collect();
    }
    std::iter::once(registry.to_owned()).chain(forms(registry)).collect()
}

fn stored(entry: &Value, registry: &str, file: &Path) -> Result<Option<Login>, RegistryError> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Login::IdentityToken(token.to_owned())));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Ok(Some(Login::Password { user: user.to_owned(), password: password.to_owned() }));
    }
    let Some(auth) = text("auth") else { return Ok(None) };
    let decoded = base64::engine::general_purpose::STANDARD.decode(auth).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(|| {
        let file = file.display();
        RegistryError::Credentials(format!("`{file}` has no readable login for `{registry}`; log in again"))
    })?;
    Ok(Some(Login::Password { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() }))
}

/// `docker-credential-<helper> get`, with the registry on its standard input.
fn ask_helper(helper: &str, key: &str) -> Result<Option<Found>, RegistryError> {
    let program = format!("docker-credential-{helper}");
    let failed = |reason: &str| {
        RegistryError::Credentials(format!(
            "the credential helper `{program}` failed for `{key}`: {reason}; repair it or remove it from config.json"
        ))
    };
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut helper = Program::start(&mut command, Reach::Alone).map_err(|error| failed(&plain(&error)))?;
    // A helper that reads nothing is its own affair; its answer decides.
    let _ = helper.child().stdin.take().map(|mut stdin| stdin.write_all(key.as_bytes()));
    let output = helper.output().map_err(|error| failed(&plain(&error)))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let unknown = said.contains("credentials not found");
        return if unknown { Ok(None) } else { Err(failed(&said)) };
    }
    let json: Value = serde_json::from_str(&said).map_err(|_| failed("its answer is no JSON"))?;
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user, secret) = (text("Username"), text("Secret"));
    let login = match user.as_str() {
        "<token>" => Login::IdentityToken(secret),
        _ => Login::Password { user, password: secret },
    };
    Ok(Some(Found { login, origin: format!("the helper `{program}`") }))
}

#[cfg(test)]
mod tests;
