//! Where an envelope is posted, and with which headers.
//!
//! Rule: the keys are in one header, which is secret; the address holds none.
//!
//! The body is gzip: it is the only compression that every receiver of envelopes takes.

use charm_telemetry_core::Secret;
use charm_telemetry_core::delivery::Request;

use crate::dsn::Dsn;
use crate::profile::{SDK_NAME, SDK_VERSION};

pub(crate) fn request(dsn: &Dsn) -> Request {
    let client = format!("{SDK_NAME}/{SDK_VERSION}");
    let mut auth =
        format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={}", dsn.public_key());
    if let Some(secret) = dsn.secret_key() {
        auth.push_str(", sentry_secret=");
        auth.push_str(secret.expose());
    }
    Request::post(dsn.envelope_url())
        .header("user-agent", client)
        .secret_header("x-sentry-auth", Secret::new(auth))
}
