//! One agent process: started, watched, listened to, and gone when we say it is.
//! The one rule: nothing the agent does, says or leaves behind can hang, bloat or outlive the runner.
//!
//! `supervise` runs one poll loop on the calling thread over the agent's stdout and stderr, the pipe of the Python
//! bridge if asked for, our signals, the agent's exit and the timers. What it reads goes to a [`CaptureSink`].

mod leader;
mod lines;
mod orphans;
mod outcome;
mod pipes;
mod plan;
mod signals;
mod sink;
mod spawn;
mod spec;
mod supervise;

pub use lines::{CapturedLine, LineAssembler, LineCounts, LineLimits};
pub use outcome::{ChildOutcome, Exit};
pub use signals::{Signals, StopSignal, Stopper};
pub use sink::{CaptureSink, Notice};
pub use spawn::SpawnError;
pub use spec::{ChildSpec, DEFAULT_GRACE, Orphans, Stdin};
pub use supervise::{SuperviseError, supervise};
