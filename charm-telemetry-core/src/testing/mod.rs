//! What authors of exporters test with: hooks without threads and without waiting, and a receiver on loopback.
//!
//! Rule: the hooks are called by the same code as in a lane, so what holds here holds there.

mod clock;
mod harness;
mod http;
mod memory;

pub use clock::ManualClock;
pub use harness::ExporterHarness;
pub use http::{Answer, ReceiverDouble, RecordedRequest};
pub use memory::MemoryWriter;
