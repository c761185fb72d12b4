//! The exporter that is always on: what end users see.
//!
//! Rule: nothing is dropped here. When the reader of stdout stops reading, the pump stops reading the agent, as any
//! pipe does.

mod lines;
mod pipe;

#[cfg(feature = "testing")]
pub(crate) use lines::encode;
pub use pipe::PipeWriter;
pub(crate) use pipe::Unbuffered;

use std::io;

use crate::event::Event;

/// Where the events that end users see are written.
///
/// The default is [`PipeWriter`], which writes the lines of the Charm protocol. A program with a screen of its own (a live view)
/// brings another one.
///
/// ```
/// # use charm_telemetry_core::{Event, EventWriter, Manager};
/// # struct Counter(std::sync::mpsc::Sender<u64>);
/// impl EventWriter for Counter {
///     fn event(&mut self, event: &Event) {
///         self.0.send(event.sequence).ok(); // never waits
///     }
///     fn flush(&mut self) -> std::io::Result<bool> { Ok(true) }
///     fn is_full(&self) -> bool { false }
/// }
/// # let (sender, seen) = std::sync::mpsc::channel();
/// # let manager = Manager::builder().stdout(Counter(sender)).start()?;
/// # manager.start_run(&"hi").finish("hello");
/// # manager.shutdown(std::time::Duration::from_secs(5));
/// # assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
pub trait EventWriter: Send + 'static {
    /// Takes an event. Must not wait for the reader: what cannot be written yet is held.
    fn event(&mut self, event: &Event);

    /// Writes what is held, without waiting longer than a moment. `Ok(true)`: nothing is held any more.
    ///
    /// # Errors
    /// An error means that nobody reads any more: what is held is given up, and nothing follows.
    fn flush(&mut self) -> io::Result<bool>;

    /// Whether so much is held that no more events should be taken from the agent.
    fn is_full(&self) -> bool;
}
