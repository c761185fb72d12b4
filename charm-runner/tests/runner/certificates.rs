//! The certificates that OTLP may have of its own, before receivers that check them.
//! The one rule: what came where is read at the receiver, and what did not come is still there.

use crate::network::{Authority, Receiver};
use crate::project::Project;

const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

/// A project that sends its spans there and keeps what does not arrive, with the files of two authorities.
fn project(endpoint: &str, ours: &Authority) -> Project {
    let project = Project::shell("echo hello")
        .telemetry("otlp")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        .env("OTEL_METRICS_EXPORTER", "none")
        .env("CHARM_STATE_DIR", "state")
        .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "3");
    let other = Authority::new();
    for (name, authority) in [("ours", ours), ("other", &other)] {
        let [certificate, key] = authority.client();
        project.file(&format!("{name}-ca.pem"), &authority.pem());
        project.file(&format!("{name}.pem"), &certificate);
        project.file(&format!("{name}.key"), &key);
    }
    project
}

#[test]
fn without_its_certificate_a_client_is_refused_and_told_and_nothing_is_lost() {
    let authority = Authority::new();
    let receiver = Receiver::mutual_tls(&authority);
    let project = project(&receiver.url("/v1/traces"), &authority).env(CA, "ours-ca.pem");
    let refused = project.run(&["--telemetry-report"]).assert_status(0);
    let told =
        "charm: otlp: the receiver wants a certificate of the client, or refuses the one it was given: ";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    assert!(refused.stderr.contains("delivered=0 spooled=1 dropped=0"), "{}", refused.stderr);

    // One that the receiver does not know is as good as none.
    let project = project.env(CERTIFICATE, "other.pem").env(KEY, "other.key");
    let refused = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    assert!(receiver.requests().is_empty());

    // The new run, and what the two before it could not send.
    let project = project.env(CERTIFICATE, "ours.pem").env(KEY, "ours.key");
    let accepted = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(!accepted.stderr.contains(told), "{}", accepted.stderr);
    assert!(accepted.stderr.contains("delivered=3 spooled=0 dropped=0"), "{}", accepted.stderr);
    assert!(!receiver.requests().is_empty());
}

#[test]
fn the_files_of_spans_win_over_the_general_ones() {
    let authority = Authority::new();
    let receiver = Receiver::mutual_tls(&authority);
    let project = project(&receiver.url("/v1/traces"), &authority)
        .env(CA, "nowhere.pem")
        .env("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "ours-ca.pem")
        .env("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "ours.pem")
        .env("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "ours.key");
    let done = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(done.stderr.contains("delivered=1 spooled=0 dropped=0"), "{}", done.stderr);
    let told = format!("charm: otlp: `{CA}` is not used: no `https://` address needs it");
    assert!(done.stderr.contains(&told), "{}", done.stderr);
}

#[test]
fn an_authority_of_its_own_is_trusted_and_no_other() {
    let authority = Authority::new();
    let receiver = Receiver::tls(&authority);
    let project = project(&receiver.url("/v1/traces"), &authority).env("SSL_CERT_FILE", "ours-ca.pem");
    let project = project.env(CA, "other-ca.pem");
    let refused = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(refused.stderr.contains("the certificate is not valid: "), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("name its file in `{CA}`")), "{}", refused.stderr);
    assert!(refused.stderr.contains("delivered=0 spooled=1 dropped=0"), "{}", refused.stderr);
    assert!(receiver.requests().is_empty());

    let accepted = project.env(CA, "ours-ca.pem").run(&["--telemetry-report"]).assert_status(0);
    assert!(accepted.stderr.contains("delivered=2 spooled=0 dropped=0"), "{}", accepted.stderr);
}

#[test]
fn a_file_that_cannot_be_used_is_told_before_anything_starts() {
    let authority = Authority::new();
    for (variables, told) in [
        (
            &[(CA, "nowhere.pem")][..],
            "`OTEL_EXPORTER_OTLP_CERTIFICATE` names `nowhere.pem`: there is no such file",
        ),
        (
            &[(CERTIFICATE, "ours.pem"), (KEY, "ours.pem")],
            "`OTEL_EXPORTER_OTLP_CLIENT_KEY` names `ours.pem`: there is no private key in it",
        ),
        (
            &[(CERTIFICATE, "ours.pem"), (KEY, "other.key")],
            "`OTEL_EXPORTER_OTLP_CLIENT_KEY` names `other.key`: it is not the key of the first certificate in `ours.pem`",
        ),
        (
            &[(KEY, "ours.key")],
            "`OTEL_EXPORTER_OTLP_CLIENT_KEY` names `ours.key`: that is of no use alone; set `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` too, or neither",
        ),
    ] {
        let project = project("https://127.0.0.1:9/v1/traces", &authority);
        let project = variables.iter().fold(project, |project, (name, value)| project.env(name, value));
        for command in ["validate", "run"] {
            let done = project.call(&[command]).assert_status(78);
            assert!(done.stderr.contains(told), "{command}: {}", done.stderr);
            assert!(done.stdout.is_empty() || command == "validate", "the agent has run");
        }
    }
}

#[test]
fn the_path_of_a_key_is_no_secret_in_an_env_file_either() {
    let authority = Authority::new();
    let project = project("https://127.0.0.1:9/v1/traces", &authority);
    project.file(".env", &format!("{CERTIFICATE}=ours.pem\n{KEY}=shown/client.key\n"));
    let done = project.call(&["validate"]).assert_status(78);
    assert!(
        done.stderr.contains(&format!("`{KEY}` names `shown/client.key`: there is no")),
        "{}",
        done.stderr
    );
}
