//! By what right we ask: passwords and tokens.
//!
//! Rule: a secret goes to the registry it was stored for, or to the token service that this registry names over TLS,
//! and never into a message.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;
use ureq::http::Method;

use super::challenge::Challenge;
use super::credentials::{Door, Found, Login, find};
use super::http::{Answer, Call, Http};
use super::location::is_encrypted_or_here;
use crate::error::RegistryError;

/// What is to be done in a registry, as the scopes of a token say it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Access(Vec<String>);

impl Access {
    pub(super) fn pull(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    pub(super) fn push(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    /// To take a blob from another repository one must be allowed to read that too.
    pub(super) fn mount(repository: &str, from: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push"), format!("repository:{from}:pull")])
    }
}

/// The credentials for one repository, looked for when they are first wanted, and the tokens they gave.
#[derive(Debug)]
pub(super) struct Authority {
    door: Door,
    found: OnceCell<Option<Found>>,
    basic: RefCell<Option<String>>,
    tokens: RefCell<BTreeMap<Access, String>>,
}

impl Authority {
    pub(super) fn new(registry: &str, repository: &str) -> Self {
        Self {
            door: Door { registry: registry.to_owned(), repository: repository.to_owned() },
            found: OnceCell::new(),
            basic: RefCell::default(),
            tokens: RefCell::default(),
        }
    }

    /// What was good for an earlier call.
    pub(super) fn header(&self, access: &Access) -> Option<String> {
        self.basic.borrow().clone().or_else(|| self.tokens.borrow().get(access).cloned())
    }

    /// Answers a challenge: the header to try again with.
    pub(super) fn answer(
        &self,
        http: &Http,
        refusal: &Answer,
        access: &Access,
    ) -> Result<String, RegistryError> {
        match Challenge::parse(&refusal.headers("www-authenticate")) {
            Some(Challenge::Basic) => self.password(),
            Some(Challenge::Bearer { realm, service }) => {
                self.token(http, &realm, service.as_deref(), access)
            }
            None => Err(self.refusal()),
        }
    }

    /// The sentence for "not let in".
    pub(super) fn refusal(&self) -> RegistryError {
        let found = self.found.get().and_then(Option::as_ref);
        let who = match found {
            Some(Found { login: Login::Password { user, .. }, origin }) => {
                format!("the user `{user}` with the password from {origin}")
            }
            Some(Found { origin, .. }) => format!("the token from {origin}"),
            None => "to serve us without a login".to_owned(),
        };
        let name = &self.door.registry;
        let way_out = format!(
            "log in with `docker login {name}` or `podman login {name}`, or point DOCKER_CONFIG at the folder of a config.json that has it"
        );
        RegistryError::Unauthorized { registry: name.clone(), who, way_out }
    }

    fn found(&self) -> Result<Option<&Found>, RegistryError> {
        if self.found.get().is_none() {
            let found = find(&self.door)?;
            self.found.set(found).expect("it was empty a line ago, and this type is of one thread");
        }
        Ok(self.found.get().expect("it was set above").as_ref())
    }

    fn password(&self) -> Result<String, RegistryError> {
        match self.found()? {
            Some(Found { login: Login::Password { user, password }, .. }) => {
                let header = basic(user, password);
                *self.basic.borrow_mut() = Some(header.clone());
                Ok(header)
            }
            Some(Found { login: Login::IdentityToken(_), origin }) => {
                Err(RegistryError::Credentials(format!(
                    "{origin} has an identity token for `{}`, but this registry takes only a user and a password; log in again",
                    self.door.registry
                )))
            }
            None => Err(self.refusal()),
        }
    }

    fn token(
        &self,
        http: &Http,
        realm: &str,
        service: Option<&str>,
        access: &Access,
    ) -> Result<String, RegistryError> {
        if !is_encrypted_or_here(realm) {
            return Err(RegistryError::Malformed(format!(
                "the registry `{}` sends us to `{realm}`, where a password would not be encrypted; ask who runs it",
                self.door.registry
            )));
        }
        let login = self.found()?.map(|found| &found.login);
        let mut answer = match login {
            Some(Login::IdentityToken(token)) => exchange(http, realm, service, access, token)?,
            Some(Login::Password { user, password }) => {
                let authority = basic(user, password);
                http.send_to_service(&Call::get(&address(realm, service, access)), Some(&authority))?
            }
            None => http.send_to_service(&Call::get(&address(realm, service, access)), None)?,
        };
        if answer.status.is_client_error() {
            return Err(self.refusal());
        }
        let body = answer.bytes(MAX_TOKEN_BYTES)?;
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|key| json.get(*key)?.as_str());
        let token = token.ok_or_else(|| {
            let status = answer.status.as_u16();
            RegistryError::Malformed(format!(
                "the token service `{realm}` answered {status} without a token; try again"
            ))
        })?;
        let header = format!("Bearer {token}");
        self.tokens.borrow_mut().insert(access.clone(), header.clone());
        Ok(header)
    }
}

const MAX_TOKEN_BYTES: u64 = 1024 * 1024;

fn basic(user: &str, password: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {encoded}")
}

fn address(realm: &str, service: Option<&str>, access: &Access) -> String {
    let joint = if realm.contains('?') { '&' } else { '?' };
    format!("{realm}{joint}{}", query(service, access))
}

fn query(service: Option<&str>, Access(scopes): &Access) -> String {
    let service = service.map(|service| format!("service={}", escape(service)));
    let scopes = scopes.iter().map(|scope| format!("scope={}", escape(scope)));
    service.into_iter().chain(scopes).collect::<Vec<_>>().join("&")
}

/// A refresh token is handed in for an access token, as `docker login` to some clouds leaves only the former.
fn exchange(
    http: &Http,
    realm: &str,
    service: Option<&str>,
    Access(scopes): &Access,
    token: &str,
) -> Result<Answer, RegistryError> {
    let service = escape(service.unwrap_or_default());
    let (scope, token) = (escape(&scopes.join(" ")), escape(token));
    let body = format!(
        "grant_type=refresh_token&client_id=charm-telemetry-image&service={service}&scope={scope}&refresh_token={token}"
    );
    let call = Call::new(Method::POST, realm).content("application/x-www-form-urlencoded", body.as_bytes());
    http.send_to_service(&call, None)
}

fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
        escaped
    })
}
