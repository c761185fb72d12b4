//! Panics of exporters: caught, and told once, with secrets taken out.
//!
//! Rule: the message of an exporter's panic reaches the operator only through the notices, because it may hold a secret.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Makes the process's panic hook pass over panics that [`catch`] will report. Other panics are told as before.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
}

/// Runs an exporter's code. A panic becomes its message.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(code));
    QUIET.set(false);
    result.map_err(said)
}

/// What a panic says.
pub(crate) fn said(payload: Box<dyn Any + Send>) -> String {
    let message = message(payload.as_ref());
    // Dropping a payload may panic as well. It is small and this is rare: leak it.
    std::mem::forget(payload);
    message
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
