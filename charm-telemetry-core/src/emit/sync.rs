//! What threads share and wait with on the emitting side, replaced by loom's when the models run.
//!
//! Rule: lock-free code takes its primitives from here and nowhere else, so that a model checks the real thing.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::thread::{Builder, JoinHandle, Thread, sleep};
#[cfg(not(loom))]
pub(crate) use std::thread_local as of_each_thread;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(loom)]
pub(crate) use loom::thread::{Builder, JoinHandle, Thread};

/// A model has no time: the others go first.
#[cfg(loom)]
pub(crate) fn sleep(_duration: std::time::Duration) {
    loom::thread::yield_now();
}

/// Loom's does not know the `const` with which the standard library's are found faster.
#[cfg(loom)]
macro_rules! of_each_thread {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const { $init:expr };)*) => {
        loom::thread_local! { $($(#[$attribute])* static $name: $type = $init;)* }
    };
}
#[cfg(loom)]
pub(crate) use of_each_thread;
