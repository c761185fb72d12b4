//! A thread that sleeps until it is woken: parking, or what loom has for it.
//!
//! Rule: a wake-up that comes before the sleep is not lost: the next sleep ends at once.

pub(super) use which::Sleeper;

#[cfg(not(loom))]
mod which {
    use std::sync::OnceLock;
    use std::thread::Thread;
    use std::time::Duration;

    /// Which thread it is, once that is known.
    #[derive(Debug, Default)]
    pub(in super::super) struct Sleeper(OnceLock<Thread>);

    impl Sleeper {
        pub(in super::super) fn set(&self, thread: Thread) {
            self.0.set(thread).expect("a hub has one pump");
        }

        pub(in super::super) fn wake(&self) {
            if let Some(thread) = self.0.get() {
                thread.unpark();
            }
        }

        /// Called by that thread alone.
        #[expect(clippy::unused_self, reason = "the model of it needs to know whose sleep it is")]
        pub(in super::super) fn sleep(&self, longest: Option<Duration>) {
            match longest {
                Some(longest) => std::thread::park_timeout(longest),
                None => std::thread::park(),
            }
        }
    }
}

/// Loom's own parking cannot be used: it wakes a thread that waits for a lock, too, and then fails.
#[cfg(loom)]
mod which {
    use std::time::Duration;

    use loom::sync::{Condvar, Mutex};
    use loom::thread::Thread;

    #[derive(Debug, Default)]
    pub(in super::super) struct Sleeper {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Sleeper {
        pub(in super::super) fn set(&self, _thread: Thread) {}

        pub(in super::super) fn wake(&self) {
            *self.woken.lock().expect("nobody panics in here") = true;
            self.changed.notify_one();
        }

        /// A model has no time: what nobody wakes sleeps for good, and loom says so.
        pub(in super::super) fn sleep(&self, _longest: Option<Duration>) {
            let mut woken = self.woken.lock().expect("nobody panics in here");
            while !*woken {
                woken = self.changed.wait(woken).expect("nobody panics in here");
            }
            *woken = false;
        }
    }
}
