//! The certificates of a signal.
//!
//! Rule: each of the three variables of a signal wins over the general one by itself, and no file is read that no
//! `https://` address needs.

use charm_telemetry_core::VariableProblem;
use charm_telemetry_core::delivery::{TlsFile, TlsFiles, TlsOptions};

use crate::Otlp;
use crate::request::What;

/// What the signals that are sent have of their own.
#[derive(Default)]
pub(crate) struct Certificates<'a> {
    read: Option<(TlsFiles<'a>, Option<TlsOptions>)>,
    /// The variables that were looked at.
    used: Vec<&'static str>,
}

impl<'a> Certificates<'a> {
    /// Those for this address. Signals with the same files share them, and with them one HTTP client.
    pub(crate) fn of(
        &mut self,
        otlp: &'a Otlp,
        what: What,
        url: &str,
    ) -> Result<Option<TlsOptions>, Vec<VariableProblem>> {
        if !url.starts_with("https://") {
            return Ok(None);
        }
        let files = files(otlp, what);
        self.used.extend([files.authority, files.certificate, files.key].map(|file| file.variable));
        if let Some((_, options)) = self.read.as_ref().filter(|(read, _)| *read == files) {
            return Ok(options.clone());
        }
        let options = TlsOptions::read(files)?;
        self.read = Some((files, options.clone()));
        Ok(options)
    }

    /// A sentence for each that is set for nothing.
    pub(crate) fn unused(&self, otlp: &Otlp) -> Vec<String> {
        let all = [named(otlp, None), named(otlp, Some(What::Spans)), named(otlp, Some(What::Metrics))];
        let set = all.iter().flatten().filter(|file| file.path.is_some());
        let unused = set.filter(|file| !self.used.contains(&file.variable));
        unused
            .map(|file| format!("`{}` is not used: no `https://` address needs it", file.variable))
            .collect()
    }
}

fn files(otlp: &Otlp, what: What) -> TlsFiles<'_> {
    let (own, general) = (named(otlp, Some(what)), named(otlp, None));
    let either = |kind: usize| if own[kind].path.is_some() { own[kind] } else { general[kind] };
    TlsFiles { authority: either(0), certificate: either(1), key: either(2) }
}

/// The authority, the certificate and the key of a signal; those of all without one.
fn named(otlp: &Otlp, what: Option<What>) -> [TlsFile<'_>; 3] {
    let variables = match what {
        None => [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &otlp.certificate),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &otlp.client_certificate),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &otlp.client_key),
        ],
        Some(What::Spans) => [
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", &otlp.traces_certificate),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", &otlp.traces_client_certificate),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", &otlp.traces_client_key),
        ],
        Some(What::Metrics) => [
            ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", &otlp.metrics_certificate),
            ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", &otlp.metrics_client_certificate),
            ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", &otlp.metrics_client_key),
        ],
    };
    variables.map(|(variable, path)| TlsFile { variable, path: path.as_deref() })
}
