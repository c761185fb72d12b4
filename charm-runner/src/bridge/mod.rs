//! Runs Python agents: a small program, embedded here, that finds the agent, calls it and reports over its own pipe.
//! The one rule: the agent's stdout stays the agent's; what the bridge has to say goes through the pipe, as whole frames.
//!
//! ```text
//! Launch ──command()──► python3 -c <loader> ──frames──► FrameDecoder ──► Frame ──► Record
//!    └─ request (sources, entry point, inputs) in an anonymous file that the command hands on by itself
//! ```
//!
//! The caller makes the pipe for the frames: it tells the number of the write end in [`PIPE_ENV`] and lets that
//! descriptor, which must be blocking, survive the `exec` of this child alone.

mod adapter;
mod command;
mod frame;
mod marshal;
mod parts;
mod record;
mod source;

pub use adapter::{PythonAdapter, UnknownAdapter};
pub use command::{Launch, LaunchError, PIPE_ENV};
pub use frame::{Frame, FrameDecoder, FrameError, MAX_FRAME_BYTES};
pub use record::{ExactJson, LogLevel, Record, TokenUsage};
