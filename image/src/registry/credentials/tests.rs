//! Files of credentials as they are found in the wild.

use std::path::Path;

use serde_json::{Value, json};

use super::{DOCKER, Door, Login, LoginFile, PODMAN, files, find_in, find_in_files};

fn door(registry: &str, repository: &str) -> Door {
    Door { registry: registry.to_owned(), repository: repository.to_owned() }
}

fn login(file: &Value, registry: &str) -> Option<Login> {
    login_at(file, &door(registry, "team/app"))
}

fn login_at(file: &Value, door: &Door) -> Option<Login> {
    find_in(file, door, Path::new("config.json")).unwrap().map(|found| found.login)
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
    let error = find_in(&file, &door("a.io", "app"), Path::new("config.json")).unwrap_err().to_string();
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

#[test]
fn a_login_for_a_part_of_a_registry_goes_before_the_one_for_all_of_it() {
    let file = json!({ "auths": {
        "ghcr.io": { "auth": "YWxsOnA=" },
        "ghcr.io/team": { "auth": "dGVhbTpw" },
        "ghcr.io/team/app": { "auth": "YXBwOnA=" },
        "ghcr.io/helped": {},
    } });
    for (repository, user) in [
        ("team/app", "app"),
        ("team/app/part", "app"),
        ("team/other", "team"),
        ("team", "team"),
        ("teamwork/app", "all"),
        ("helped/app", "all"),
    ] {
        assert_eq!(login_at(&file, &door("ghcr.io", repository)), Some(password(user, "p")), "{repository}");
    }
    assert_eq!(login_at(&file, &door("other.io", "team/app")), None);
}

#[test]
fn a_file_that_is_not_there_is_passed_over_and_one_that_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = |name: &str, variable| LoginFile { path: at(name), variable };
    std::fs::write(at("auth.json"), r#"{"auths": {"a.io": {"auth": "dTpw"}}}"#).unwrap();
    let door = door("a.io", "app");
    let absent = ["absent.json", "auth.json/config.json", "auth.json"].map(|name| file(name, DOCKER));
    let found = find_in_files(&absent, &door).unwrap().unwrap();
    assert_eq!((found.login, found.origin), (password("u", "p"), format!("`{}`", at("auth.json").display())));
    // Also root cannot read a folder as a file.
    std::fs::create_dir(at("config.json")).unwrap();
    for variable in [DOCKER, PODMAN] {
        let files = [file("config.json", variable), file("auth.json", PODMAN)];
        let error = find_in_files(&files, &door).unwrap_err().to_string();
        let expected = format!(
            "cannot read `{}`, where logins are kept: is a directory; make it readable, or point {variable} elsewhere",
            at("config.json").display()
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn the_variable_that_is_named_for_a_file_takes_its_place() {
    let places = |set: &[(&str, &str)]| -> Vec<String> {
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into());
        let shown = |file: LoginFile| format!("{} {}", file.variable, file.path.display());
        files(variable).into_iter().map(shown).collect()
    };
    let usual = [("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u"), (DOCKER, ""), (PODMAN, "")];
    let expected = [
        "DOCKER_CONFIG /h/.docker/config.json",
        "REGISTRY_AUTH_FILE /run/u/containers/auth.json",
        "REGISTRY_AUTH_FILE /h/.config/containers/auth.json",
    ];
    assert_eq!(places(&usual), expected);
    let elsewhere = [("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u"), (DOCKER, "/d"), (PODMAN, "/p.json")];
    assert_eq!(places(&elsewhere), ["DOCKER_CONFIG /d/config.json", "REGISTRY_AUTH_FILE /p.json"]);
    assert_eq!(places(&[]), Vec::<String>::new());
}
