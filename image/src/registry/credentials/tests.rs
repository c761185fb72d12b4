//! Files of credentials as they are found in the wild.

use std::path::Path;

use serde_json::{Value, json};

use super::{Login, find_in};

fn login(file: &Value, registry: &str) -> Option<Login> {
    find_in(file, registry, Path::new("config.json")).unwrap().map(|found| found.login)
}

fn password(user: &str, password: &str) -> Login {
    Login::Password { user: user.to_owned(), password: password.to_owned() }
}

#[test]
fn a_stored_password_is_found_under_every_spelling() {
    for key in ["a.io:5000", "https://a.io:5000", "https://a.io:5000/v1/", "a.io:5000/"] {
        let file = json!({ "auths": { key: { "auth": "dTpwOnE=" } } });
        assert_eq!(login(&file, "a.io:5000"), Some(password("u", "p:q")), "for `{key}`");
        assert_eq!(login(&file, "b.io"), None);
    }
}

#[test]
fn the_default_registry_is_known_by_its_old_address() {
    let file = json!({ "auths": { "https://index.docker.io/v1/": { "auth": "dTpw" } } });
    assert_eq!(login(&file, "docker.io"), Some(password("u", "p")));
}

#[test]
fn an_identity_token_is_no_password() {
    let file = json!({ "auths": { "a.io": { "auth": "dTpw", "identitytoken": "t" } } });
    assert_eq!(login(&file, "a.io"), Some(Login::IdentityToken("t".to_owned())));
}

#[test]
fn an_empty_entry_means_that_a_helper_has_it() {
    assert_eq!(login(&json!({ "auths": { "a.io": {} } }), "a.io"), None);
}

#[test]
fn a_missing_helper_is_an_error_and_not_a_stranger() {
    let file = json!({ "credHelpers": { "a.io": "there-is-none" } });
    let error = find_in(&file, "a.io", Path::new("config.json")).unwrap_err().to_string();
    assert!(
        error.starts_with("the credential helper `docker-credential-there-is-none` failed for `a.io`: "),
        "{error}"
    );
}

#[test]
fn a_login_never_shows_its_secret() {
    let shown = format!("{:?} {:?}", password("u", "geheim"), Login::IdentityToken("geheim".to_owned()));
    assert!(!shown.contains("geheim"), "{shown}");
}
