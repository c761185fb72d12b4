//! A barrier that costs one of two sides nothing.
//!
//! Rule: every [`light`] is ordered with every [`heavy`], as two sequentially consistent fences would be, if [`heavy`]
//! says so.

#[cfg(not(loom))]
use std::sync::atomic::compiler_fence;

use super::sync::{Ordering, fence};

/// The side of the emitters: no instruction, only an order that the compiler keeps.
#[inline]
#[cfg(not(loom))]
pub(super) fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// The models know no order but that of fences.
#[cfg(loom)]
pub(super) fn light() {
    fence(Ordering::SeqCst);
}

/// The side of the pump: a fence for itself, and one that the system puts into every other running thread. `false` if the
/// system cannot.
pub(super) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    system::fences_all_threads()
}

#[cfg(all(target_os = "linux", not(loom)))]
mod system {
    //! Linux: a microsecond, and once some milliseconds to register the process.

    use std::sync::OnceLock;

    use rustix::thread::{MembarrierCommand, membarrier};

    pub(super) fn fences_all_threads() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok())
            && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }
}

#[cfg(all(not(target_os = "linux"), not(loom)))]
mod system {
    //! No such call is known here.

    pub(super) fn fences_all_threads() -> bool {
        false
    }
}

#[cfg(loom)]
mod system {
    //! The other side has a fence of its own.

    pub(super) fn fences_all_threads() -> bool {
        true
    }
}
