//! What authors of exporters test with: no network, no threads, no waiting.
//!
//! Rule: the hooks are called by the same code as in a lane, so what holds here holds there.

mod clock;
mod harness;
mod memory;

pub use clock::ManualClock;
pub use harness::ExporterHarness;
pub use memory::MemoryWriter;
