//! What end users would see, kept in memory.
//!
//! Rule: it holds the very lines that stdout would get.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Event;
use crate::stdout::{EventWriter, encode};

/// Collects event lines. Clones share them.
///
/// ```
/// use std::time::Duration;
/// use charm_telemetry_core::Manager;
/// use charm_telemetry_core::testing::MemoryWriter;
///
/// let seen = MemoryWriter::new();
/// let manager = Manager::builder().stdout(seen.clone()).start()?;
/// manager.start_run(&"hi").finish("hello");
/// manager.shutdown(Duration::from_secs(1));
/// assert_eq!(seen.events()[1]["content"], "hello");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryWriter {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl MemoryWriter {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that was written, as text.
    ///
    /// # Panics
    /// Never: event lines are UTF-8.
    pub fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("event lines are UTF-8")
    }

    /// Every event that was written, parsed.
    ///
    /// # Panics
    /// If a line is not an event line: a broken promise of the stdout exporter.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let object = |line: &str| {
            let json = line.strip_prefix("__CHARM_EVENT__").expect("every line begins with the marker");
            serde_json::from_str(json).expect("the marker is followed by JSON")
        };
        text.lines().map(object).collect()
    }
}

impl EventWriter for MemoryWriter {
    fn event(&mut self, event: &Event) {
        encode(event, &mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn flush(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn is_full(&self) -> bool {
        false
    }
}
