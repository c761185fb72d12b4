//! How a registry lets us in: tokens, helpers, certificates of one's own, and who must not see a password.
//!
//! Rule: the registry decides, not the test: it is Docker's own where it can be, and what it must not be sent is looked for
//! in what it was sent.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

mod expiring;
mod mounts;
mod token_service;
mod upgrade;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use charm_telemetry_tests::image::{BaseImage, Layout, PASSWORD, Registry, Said, USER, image};
use charm_telemetry_tests::requires;
use serde_json::{Value, json};
use token_service::{IDENTITY_TOKEN, TokenService, make_certificate};

/// A registry that takes tokens only, with an image in it.
fn registry_with_tokens(base: &str) -> Option<(Registry, TokenService)> {
    requires::program("openssl")?;
    registry_with_tokens_of(TokenService::start(), base)
}

fn registry_with_tokens_of(service: TokenService, base: &str) -> Option<(Registry, TokenService)> {
    let registry = Registry::start_with(Some(&service.auth()), "")?;
    fill(&registry, base);
    service.asked();
    Some((registry, service))
}

fn fill(registry: &Registry, base: &str) {
    let folder = tempfile::tempdir().unwrap();
    let layout = BaseImage::default().write(&folder.path().join("base"));
    registry.fill(&format!("oci:{}:", layout.display()), base, &[]);
}

/// Pulls the base, and pushes what stands on it; `config` is what is in the user's `config.json`.
fn push(registry: &Registry, config: &Value, env: &[(&str, &str)]) -> Said {
    let login = tempfile::tempdir().unwrap();
    fs::write(login.path().join("config.json"), config.to_string()).unwrap();
    let (base, tag) =
        (format!("{}/team/base:1", registry.address), format!("{}/team/runner:1", registry.address));
    let folder = login.path().display().to_string();
    let env: Vec<_> = [("DOCKER_CONFIG", folder.as_str())].into_iter().chain(env.iter().copied()).collect();
    image(["--base", &base, "--tag", &tag, "--push", "--json"], &env)
}

/// A file of credentials with one entry.
fn auths(registry: &Registry, entry: &Value) -> Value {
    json!({ "auths": { &registry.address: entry } })
}

#[test]
fn a_password_is_changed_for_tokens_that_each_allow_what_is_done() {
    let Some((registry, service)) = registry_with_tokens("team/base:1") else { return };
    let entry = json!({ "username": USER, "password": PASSWORD });
    let report = push(&registry, &auths(&registry, &entry), &[]).json();
    assert_eq!((&report["pushed"][0]["mounted"], &report["pushed"][0]["uploaded"]), (&json!(1), &json!(2)));
    let asked = service.asked();
    let asked_for = |scope: &str| asked.iter().filter(|line| line.contains(scope)).count();
    assert_eq!(asked_for("service=registry.test&scope=repository:team/base:pull "), 1, "{asked:?}");
    let mount = "&scope=repository:team/runner:pull,push&scope=repository:team/base:pull";
    assert_eq!(asked_for(mount), 1, "to mount one must be allowed to read where it is: {asked:?}");
    assert_eq!(asked.len(), 3, "a token is asked for once: {asked:?}");
    let pulled = tempfile::tempdir().unwrap();
    let at = pulled.path().join("image");
    let by_digest = format!("team/runner@{}", report["digest"].as_str().unwrap());
    registry.pull(&by_digest, &format!("oci:{}:1", at.display()));
    assert_eq!(report["digest"], Layout::read(&at).digest);
}

#[test]
fn a_wrong_password_at_the_service_of_tokens_is_told() {
    let Some((registry, _service)) = registry_with_tokens("team/base:1") else { return };
    let entry = json!({ "username": USER, "password": "falsch" });
    let said = push(&registry, &auths(&registry, &entry), &[]);
    let expected =
        format!("the registry `{}` refused the user `test` with the password from `", registry.address);
    assert!(said.error().starts_with(&expected), "{}", said.error());
    assert!(!said.stderr.contains("falsch"), "{}", said.stderr);
}

#[test]
fn an_identity_token_is_handed_in_for_a_token() {
    let Some((registry, service)) = registry_with_tokens("team/base:1") else { return };
    let entry = json!({ "auth": "PHRva2VuPjo=", "identitytoken": IDENTITY_TOKEN });
    let report = push(&registry, &auths(&registry, &entry), &[]).json();
    assert_eq!(report["pushed"][0]["mounted"], 1);
    let asked = service.asked();
    let is_exchange = |line: &String| line.starts_with("POST /token grant_type=refresh_token&client_id=");
    assert!(asked.iter().all(is_exchange), "{asked:?}");
    let entry = json!({ "identitytoken": "abgelaufen" });
    let said = push(&registry, &auths(&registry, &entry), &[]);
    assert!(said.error().contains("refused the token from `"), "{}", said.error());
    assert!(!said.stderr.contains("abgelaufen"), "{}", said.stderr);
}

#[test]
fn an_identity_token_for_a_registry_of_passwords_is_told() {
    let Some(registry) = Registry::start() else { return };
    fill(&registry, "team/base:1");
    let said = push(&registry, &auths(&registry, &json!({ "identitytoken": "x" })), &[]);
    assert!(
        said.error().contains("this registry takes only a user and a password; log in again"),
        "{}",
        said.error()
    );
}

#[test]
fn a_stranger_pulls_what_is_public() {
    let Some((registry, service)) = registry_with_tokens("public/base:1") else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = format!("oci:{}", folder.path().join("image").display());
    let base = format!("{}/public/base:1", registry.address);
    assert!(image(["--base", &base, "--output", &place], &[]).success);
    assert!(service.asked()[0].contains("scope=repository:public/base:pull"));
    let base = format!("{}/team/absent:1", registry.address);
    let said = image(["--base", &base, "--output", &place], &[]);
    assert!(said.error().contains("refused to serve us without a login; log in with"), "{}", said.error());
}

/// A program `docker-credential-NAME` that notes what it was asked and prints this.
fn helper(folder: &Path, name: &str, answer: &str) {
    let program = folder.join(format!("docker-credential-{name}"));
    let asked = folder.join("asked");
    fs::write(&program, format!("#!/bin/sh\ncat > '{}'\nprintf '%s' '{answer}'\n", asked.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn helpers_on_path_are_asked_for_passwords_and_identity_tokens() {
    let Some((registry, _service)) = registry_with_tokens("team/base:1") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let for_one = json!({ "credHelpers": { &registry.address: "test" } });
    // `docker login` with a store leaves an empty entry.
    let for_all = json!({ "auths": { &registry.address: {} }, "credsStore": "test" });
    let password = json!({ "ServerURL": registry.address, "Username": USER, "Secret": PASSWORD });
    let token = json!({ "ServerURL": registry.address, "Username": "<token>", "Secret": IDENTITY_TOKEN });
    for config in [&for_one, &for_all] {
        for answer in [&password, &token] {
            helper(folder.path(), "test", &answer.to_string());
            let report = push(&registry, config, &[("PATH", &path)]).json();
            assert_eq!(report["pushed"].as_array().unwrap().len(), 1);
            assert_eq!(fs::read_to_string(folder.path().join("asked")).unwrap(), registry.address);
        }
    }
    helper(folder.path(), "test", "nonsense");
    let said = push(&registry, &for_one, &[("PATH", &path)]);
    let expected =
        format!("the credential helper `docker-credential-test` failed for `{}`: ", registry.address);
    assert!(said.error().starts_with(&expected), "{}", said.error());
}

#[test]
fn a_registry_with_a_certificate_of_ones_own_is_trusted_by_ssl_cert_file_alone() {
    let Some(_) = requires::program("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::ffff:127.0.0.1";
    let key = make_certificate(
        folder.path(),
        "/CN=localhost",
        &["-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"],
    );
    let certificate = folder.path().join("certificate.pem").display().to_string();
    let tls = format!("  tls: {{certificate: {certificate}, key: {}}}\n", key.display());
    let Some(registry) = Registry::start_with(None, &tls) else { return };
    fill(&registry, "team/base:1");
    let port = registry.address.rsplit(':').next().unwrap();
    let place = format!("oci:{}", folder.path().join("image").display());
    // On this machine TLS is spoken if the registry wants it; by the other name it is another machine.
    for host in
        [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::ffff:127.0.0.1]:{port}")]
    {
        let login = json!({ "auths": { &host: { "username": USER, "password": PASSWORD } } });
        fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
        let config = folder.path().display().to_string();
        let (base, tag) = (format!("{host}/team/base:1"), format!("{host}/team/runner:1"));
        let args = ["--base", &base, "--output", &place, "--tag", &tag, "--push"];
        let env = [("DOCKER_CONFIG", config.as_str()), ("SSL_CERT_FILE", certificate.as_str())];
        let said = image(args, &env);
        assert!(said.success, "{host}: {}", said.stderr);
        let said = image(args, &env[..1]);
        let error = said.error();
        assert!(
            error.starts_with(&format!("the certificate of the registry `{host}` is not trusted (")),
            "{error}"
        );
        assert!(error.ends_with("name the PEM file of the CA that signed it in SSL_CERT_FILE"), "{error}");
        fs::remove_dir_all(folder.path().join("image")).unwrap();
    }
    let absent = folder.path().join("absent.pem").display().to_string();
    let said = image(["--base", "localhost:1/a", "--output", &place], &[("SSL_CERT_FILE", &absent)]);
    let expected =
        format!("SSL_CERT_FILE is `{absent}`: no such file or directory; name a PEM file or unset it");
    assert_eq!(said.error(), expected);
}

/// A registry by script: it wants a password, and its blobs are at another address. Uploads are to be sent there too.
struct ElsewhereRegistry {
    registry: ReceiverDouble,
    storage: ReceiverDouble,
}

impl ElsewhereRegistry {
    fn start(blobs_at: impl Fn(&ReceiverDouble) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = BaseImage::default().write(&folder.path().join("base"));
        let manifest = fs::read(blob_path(&base, &Layout::read(&base).digest)).unwrap();
        let (registry, storage) = (ReceiverDouble::start(), ReceiverDouble::start());
        let elsewhere = blobs_at(&storage);
        registry.answer_with(move |request| {
            let path = request.path.split('?').next().unwrap();
            if request.header("authorization").is_none() {
                return Answer::new(401).header("WWW-Authenticate", "Basic realm=\"test\"");
            }
            match (request.method.as_str(), path.rsplit('/').nth(1).unwrap_or_default()) {
                ("GET", "manifests") => Answer::new(200).body(manifest.clone()),
                ("GET", "blobs") => Answer::new(307).header("Location", format!("{elsewhere}{path}")),
                ("HEAD", _) => Answer::new(404),
                ("POST", _) => Answer::new(202).header("Location", format!("{elsewhere}/upload?session=1")),
                _ => Answer::new(201),
            }
        });
        storage.answer_with(move |request| match request.method.as_str() {
            "GET" => Answer::new(200)
                .body(fs::read(blob_path(folder.path().join("base").as_path(), &request.path)).unwrap()),
            "PUT" => Answer::new(201),
            _ => Answer::new(405),
        });
        Self { registry, storage }
    }

    /// Pulls, writes and pushes.
    fn use_it(&self) -> (Said, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let host = self.registry.address();
        let login = json!({ "auths": { host.to_string(): { "username": USER, "password": PASSWORD } } });
        fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
        let (base, tag) = (format!("{host}/team/base:1"), format!("{host}/team/runner:1"));
        let (place, config) =
            (format!("oci:{}", folder.path().join("image").display()), folder.path().display().to_string());
        let args = ["--base", &base, "--output", &place, "--tag", &tag, "--push"];
        (image(args, &[("DOCKER_CONFIG", config.as_str())]), folder)
    }
}

/// The file of a blob whose digest ends this text.
fn blob_path(layout: &Path, text: &str) -> std::path::PathBuf {
    layout.join("blobs/sha256").join(text.rsplit("sha256:").next().unwrap())
}

#[test]
fn a_password_does_not_go_where_blobs_are_redirected_to_or_uploads_are_sent() {
    let elsewhere = ElsewhereRegistry::start(|storage| storage.url(""));
    let (said, _folder) = elsewhere.use_it();
    assert!(said.success, "{}", said.stderr);
    let at_storage = elsewhere.storage.requests();
    let methods: Vec<_> = at_storage.iter().map(|request| request.method.as_str()).collect();
    assert!(methods.contains(&"GET") && methods.contains(&"PUT"), "{methods:?}");
    for request in at_storage {
        assert_eq!(request.header("authorization"), None, "{} {}", request.method, request.path);
    }
}

#[test]
fn who_blobs_are_redirected_to_gets_no_password_by_asking_for_it() {
    let elsewhere = ElsewhereRegistry::start(|storage| storage.url(""));
    elsewhere.storage.answer_always(Answer::new(401).header("WWW-Authenticate", "Basic realm=\"give\""));
    let (said, _folder) = elsewhere.use_it();
    assert!(said.error().contains("answered 401 when asked to send the blob"), "{}", said.error());
    let requests = elsewhere.storage.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn where_uploads_are_sent_gets_no_password_and_no_token_by_asking_for_them() {
    let elsewhere = ElsewhereRegistry::start(|storage| storage.url(""));
    let thief = ReceiverDouble::start();
    thief.answer_always(Answer::new(200).body(r#"{"token":"x"}"#));
    for challenge in ["Basic realm=\"give\"".to_owned(), format!("Bearer realm=\"{}\"", thief.url("/token"))]
    {
        elsewhere.storage.answer_always(Answer::new(401).header("WWW-Authenticate", challenge));
        let host = elsewhere.registry.address();
        let folder = tempfile::tempdir().unwrap();
        let login = json!({ "auths": { host.to_string(): { "username": USER, "password": PASSWORD } } });
        fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
        let (config, tag) = (folder.path().display().to_string(), format!("{host}/team/runner:1"));
        let said = image(["--tag", &tag, "--push"], &[("DOCKER_CONFIG", config.as_str())]);
        assert!(said.error().contains("answered 401 when asked to store the blob"), "{}", said.error());
    }
    let puts = elsewhere.storage.requests();
    assert!(puts.iter().any(|request| request.method == "PUT"));
    assert!(puts.iter().all(|request| request.header("authorization").is_none()));
    assert!(thief.requests().is_empty(), "nobody is asked for a token in the name of another");
}

#[test]
fn blobs_are_not_taken_from_another_machine_in_the_clear() {
    // A name that no one has: if it were asked for, the error would be that it is not known.
    let elsewhere = ElsewhereRegistry::start(|_| "http://storage.invalid".to_owned());
    let (said, folder) = elsewhere.use_it();
    let host = elsewhere.registry.address();
    assert_eq!(
        said.error(),
        format!(
            "the registry `{host}` sends us to `http://storage.invalid`, where nothing would be encrypted; ask who runs it"
        )
    );
    assert!(!folder.path().join("image").exists());
}

#[test]
fn a_registry_that_redirects_in_circles_is_told() {
    let registry = ReceiverDouble::start();
    registry.answer_always(Answer::new(302).header("Location", "/v2/again"));
    let base = format!("{}/a:1", registry.address());
    let said = image(["--base", &base, "--output", "oci:/nonexistent/x"], &[]);
    assert!(said.error().ends_with("sends us in circles; ask who runs it"), "{}", said.error());
}
