//! Whether our stdout was closed when we started (`charm-runner run . >&-`).
//!
//! Rule: looked at before Rust's runtime starts, because that opens `/dev/null` in its place, and all that is written would
//! vanish without a word.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::stdout;

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether there was no stdout.
pub(crate) fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

#[expect(
    unsafe_code,
    reason = "only a function of this section runs before Rust's runtime opens `/dev/null`"
)]
// SAFETY: the section holds pointers to functions of this type, which the C library calls once, on the first thread. This
// one makes a system call and stores a flag: it needs nothing of the runtime.
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[used]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    WAS_CLOSED.store(fcntl_getfd(stdout()) == Err(Errno::BADF), Ordering::Relaxed);
}
