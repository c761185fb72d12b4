//! The way to the receiver: certificates and proxies, as the environment has them.
//! The one rule: what came where is read at the receiver and at the proxy, not in what the runner says.

use crate::network::{Authority, Proxy, Receiver};
use crate::project::{Done, Project};

/// Runs an agent that sends its spans to this address.
fn run(endpoint: &str, variables: &[(&str, &str)]) -> Done {
    let project = Project::shell("echo hello").telemetry("otlp");
    let project = project.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint);
    let project = project.env("OTEL_METRICS_EXPORTER", "none").env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "3");
    let project = variables.iter().fold(project, |project, (name, value)| project.env(name, value));
    project.run(&["--telemetry-report"]).assert_status(0)
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_and_told_and_nothing_is_lost() {
    let receiver = Receiver::tls(&Authority::new());
    let done = run(&receiver.url("/v1/traces"), &[]);
    assert!(receiver.requests().is_empty());
    let told = "charm: otlp: the certificate is not valid: client error (Connect): invalid peer certificate: UnknownIssuer";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    assert!(done.stderr.contains("name its file in `SSL_CERT_FILE`"), "{}", done.stderr);
    assert!(done.stderr.contains("delivered=0 spooled=1 dropped=0"), "{}", done.stderr);
}

#[test]
fn the_authority_in_ssl_cert_file_is_believed_for_its_names_alone() {
    let authority = Authority::new();
    let receiver = Receiver::tls(&authority);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let believed = [("SSL_CERT_FILE", file.to_str().unwrap())];
    let done = run(&receiver.url("/v1/traces"), &believed);
    assert!(done.stderr.contains("delivered=1 spooled=0 dropped=0"), "{}", done.stderr);
    assert_eq!(receiver.requests().len(), 1);
    let other_name = receiver.url("/v1/traces").replace("127.0.0.1", "localhost");
    let done = run(&other_name, &believed);
    assert!(done.stderr.contains("the certificate is not valid: "), "{}", done.stderr);
    assert!(done.stderr.contains("delivered=0 spooled=1 dropped=0"), "{}", done.stderr);
}

#[test]
fn a_file_of_certificates_that_cannot_be_read_is_told_before_anything_starts() {
    let project = Project::shell("touch started").telemetry("otlp").env("SSL_CERT_FILE", "charm.yaml");
    for command in ["validate", "run"] {
        let done = project.call(&[command]).assert_status(78);
        let told = "`SSL_CERT_FILE` names `charm.yaml`, which cannot be read as certificates";
        assert!(done.stderr.contains(told), "{}", done.stderr);
    }
    assert!(!project.folder().join("started").exists());
    let without = Project::shell("true").env("SSL_CERT_FILE", "/nowhere");
    without.run(&[]).assert_status(0);
}

#[test]
fn plain_requests_go_through_the_proxy_for_them() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let receiver = Receiver::start();
        let proxy = Proxy::to(&receiver);
        let done = run("http://receiver.test/v1/traces", &[(variable, &proxy.url())]);
        assert!(done.stderr.contains("delivered=1 spooled=0 dropped=0"), "{variable}: {}", done.stderr);
        assert_eq!(proxy.asked(), ["POST http://receiver.test/v1/traces HTTP/1.1"], "{variable}");
        assert_eq!(receiver.requests().len(), 1, "{variable}");
    }
}

#[test]
fn tls_goes_through_a_tunnel_and_is_checked_at_its_end() {
    let authority = Authority::new();
    let receiver = Receiver::tls(&authority);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let proxy = Proxy::to(&receiver);
        let proxied = (variable, &*proxy.url());
        let done =
            run("https://receiver.test/v1/traces", &[proxied, ("SSL_CERT_FILE", file.to_str().unwrap())]);
        assert!(done.stderr.contains("delivered=1 spooled=0 dropped=0"), "{variable}: {}", done.stderr);
        assert_eq!(proxy.asked(), ["CONNECT receiver.test:443 HTTP/1.1"], "{variable}");
        let done = run("https://receiver.test/v1/traces", &[proxied]);
        assert!(done.stderr.contains("the certificate is not valid: "), "{variable}: {}", done.stderr);
        assert!(proxy.asked().iter().all(|line| line.starts_with("CONNECT ")), "never in plain text");
    }
    assert_eq!(receiver.requests().len(), 3, "one for each variable");
}

#[test]
fn hosts_in_no_proxy_are_reached_without_one() {
    for exempt in ["127.0.0.1", "127.0.0.0/8", "*"] {
        let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
        let proxy = Proxy::to(&elsewhere);
        let variables = [("ALL_PROXY", &*proxy.url()), ("NO_PROXY", exempt)];
        let done = run(&receiver.url("/v1/traces"), &variables);
        assert!(done.stderr.contains("delivered=1 spooled=0 dropped=0"), "{exempt}: {}", done.stderr);
        assert_eq!((receiver.requests().len(), proxy.asked().len()), (1, 0), "{exempt}");
    }
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    let proxy = Proxy::to(&elsewhere);
    run(&receiver.url("/v1/traces"), &[("ALL_PROXY", &proxy.url()), ("NO_PROXY", "other.test")]);
    assert_eq!((receiver.requests().len(), elsewhere.requests().len()), (0, 1), "it is not in the list");
}

#[test]
fn a_proxy_that_nobody_answers_at_is_no_reason_to_go_around_it() {
    let (receiver, gone) = (Receiver::start(), Receiver::reserved());
    let done = run(&receiver.url("/v1/traces"), &[("HTTP_PROXY", &gone.url(""))]);
    assert!(done.stderr.contains("delivered=0 spooled=1 dropped=0"), "{}", done.stderr);
    assert!(receiver.requests().is_empty());
}
