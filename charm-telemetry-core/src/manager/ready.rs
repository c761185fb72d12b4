//! Exporters that are built and not yet running.
//!
//! Rule: building, configuring and dropping are the exporter's code as well: a panic in them is a problem that names it,
//! and never the panic hook's business.

use std::sync::Arc;

use crate::exporter::TelemetryExporter;
use crate::lane::{Build, panics};
use crate::trace::TelemetrySettings;

/// An exporter that is ready to run.
pub(super) struct Ready {
    pub(super) name: String,
    pub(super) rebuild: Option<Build>,
    exporter: Option<Box<dyn TelemetryExporter>>,
}

impl Ready {
    /// The exporter that `build` makes, configured. `None` if it made none.
    ///
    /// # Errors
    /// What a panic said.
    pub(super) fn build(
        name: &str,
        settings: &Arc<TelemetrySettings>,
        rebuild: Option<Build>,
        build: impl FnOnce() -> Option<Box<dyn TelemetryExporter>>,
    ) -> Result<Option<Self>, String> {
        panics::install_hook();
        let Some(exporter) = panics::catch(build)? else { return Ok(None) };
        let mut ready = Self { name: name.to_owned(), rebuild, exporter: Some(exporter) };
        panics::catch(|| ready.exporter.iter_mut().for_each(|exporter| exporter.configure(settings)))?;
        Ok(Some(ready))
    }

    /// The exporter, to be started.
    pub(super) fn take(&mut self) -> Option<Box<dyn TelemetryExporter>> {
        self.exporter.take()
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let exporter = self.exporter.take();
        let _: Result<(), String> = panics::catch(|| drop(exporter));
    }
}

/// What is said of an exporter that could not be built.
pub(super) fn panicked(name: &str, message: &str) -> String {
    format!("exporter `{name}` panicked while it was built: {message}; tell its author, or take it out")
}
