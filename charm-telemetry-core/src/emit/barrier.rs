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

/// Whether [`heavy`] can be called without waiting. The first to ask sets off what it needs, on a thread of its own.
pub(super) fn is_ready() -> bool {
    system::is_ready()
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

    use std::sync::{Once, OnceLock};
    use std::thread;

    use rustix::thread::{MembarrierCommand, membarrier};

    static REGISTERED: OnceLock<bool> = OnceLock::new();

    fn register() -> bool {
        *REGISTERED.get_or_init(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok())
    }

    pub(super) fn is_ready() -> bool {
        static ASKED: Once = Once::new();
        ASKED.call_once(|| {
            let thread = thread::Builder::new().name("charm-barrier".to_owned()).spawn(register);
            if thread.is_err() {
                register();
            }
        });
        REGISTERED.get().is_some()
    }

    pub(super) fn fences_all_threads() -> bool {
        register() && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }
}

#[cfg(all(not(target_os = "linux"), not(loom)))]
mod system {
    //! No such call is known here.

    pub(super) fn is_ready() -> bool {
        true
    }

    pub(super) fn fences_all_threads() -> bool {
        false
    }
}

#[cfg(loom)]
mod system {
    //! The other side has a fence of its own.

    pub(super) fn is_ready() -> bool {
        true
    }

    pub(super) fn fences_all_threads() -> bool {
        true
    }
}
