//! Who an event belongs to: the run and, inside it, the call.
//!
//! Rule: an id is made once, where the thing it names begins, and never changes.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Names one run of an agent, everywhere and for ever: a UUID of version 7, so that ids sort by start time.
///
/// ```
/// # use charm_telemetry_core::{Manager, RunId, testing::MemoryWriter};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// let id = RunId::new(); // made before the run begins, say for a log line
/// let run = manager.start_run_as(id, &"hi");
/// assert_eq!(run.id(), id);
/// # run.finish("hello");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(Uuid);

impl RunId {
    /// A new id for a run that starts now.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The 16 bytes of the UUID, for vendors whose trace ids are derived from it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Uuid> for RunId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Names one call (of a model, a tool or a retriever) within its run: 1 for the first, dense.
///
/// Parallel and nested calls are told apart by it; the same number in another run is another call.
///
/// ```
/// # use charm_telemetry_core::{Manager, testing::MemoryWriter};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// # let run = manager.start_run(&"hi");
/// let (oslo, bergen) = (run.tool_call("weather", "Oslo"), run.tool_call("weather", "Bergen"));
/// assert_eq!((oslo.id().get(), bergen.id().get()), (1, 2));
/// bergen.finish("rain"); // in any order: the ids tell the answers apart
/// oslo.finish("snow");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct CallId(NonZeroU32);

impl CallId {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number, 1 or more.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
