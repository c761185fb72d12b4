//! Posts every tool call to a web hook: an exporter as a third party writes one.
//!
//! Rule: one call of a hook is one request; what the receiver refuses is an error, which the runner counts and shows.

mod encode;
mod request;
#[cfg(test)]
mod tests;

use std::time::Duration;

use charm_telemetry_core::{
    EnvironmentReader, HookContext, HookResult, Secret, TelemetryExporter, charm_exporter,
};
use reqwest::Url;

use crate::encode::{Outcome, ToolEvent};
use crate::request::Client;

/// Posts every tool call to a web hook.
#[derive(Debug)]
#[charm_exporter("webhook")]
pub struct Webhook {
    /// Where to post.
    #[env("WEBHOOK_URL")]
    url: Url,
    /// Sent as a bearer token.
    #[env("WEBHOOK_TOKEN", "OLD_WEBHOOK_TOKEN")]
    token: Secret,
    /// How long one request may take.
    #[env("WEBHOOK_TIMEOUT", default = "5s")]
    timeout: Duration,
    client: Client,
}

/// The hooks run on the exporter's own thread: a request may block, and nobody waits for it.
impl TelemetryExporter for Webhook {
    /// What would make every request fail is refused at the start, where someone sees it.
    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        if !request::is_header_value(self.token.expose()) {
            let way_out = "a token is one line; a file may have put a line break at its end";
            reader.problem("WEBHOOK_TOKEN", format!("`WEBHOOK_TOKEN` cannot be sent in a header: {way_out}"));
        }
        if self.timeout.is_zero() {
            let message = "`WEBHOOK_TIMEOUT` is 0: no receiver answers at once; write a time, such as `5s`";
            reader.problem("WEBHOOK_TIMEOUT", message);
        }
    }

    fn on_tool_start(&mut self, cx: &HookContext<'_>, tool_name: &str, input: &str) -> HookResult {
        self.post(&ToolEvent::new(cx, tool_name, Outcome::Started { input }))
    }

    fn on_tool_end(&mut self, cx: &HookContext<'_>, tool_name: &str, output: &str) -> HookResult {
        self.post(&ToolEvent::new(cx, tool_name, Outcome::Ended { output }))
    }

    fn on_tool_error(&mut self, cx: &HookContext<'_>, tool_name: &str, error: &str) -> HookResult {
        self.post(&ToolEvent::new(cx, tool_name, Outcome::Failed { error }))
    }
}

impl Webhook {
    fn post(&mut self, event: &ToolEvent<'_>) -> HookResult {
        self.client.post(&self.url, &self.token, self.timeout, event)
    }
}
