//! The one thread on which every destination of the process is served.
//!
//! Rule: nothing on it waits for a disk or for a vendor's code; those run on helper threads that it waits for.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};

/// The runtime, started at the first call.
pub(super) fn shared() -> io::Result<Handle> {
    static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = runtime.as_ref() {
        return Ok(handle.clone());
    }
    let started = start()?;
    *runtime = Some(started.clone());
    Ok(started)
}

/// One of its own, for as long as the process lives.
pub(super) fn start() -> io::Result<Handle> {
    const MOST_HELPERS: usize = 32;
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MOST_HELPERS)
        .thread_name("charm-delivery-io")
        .build()?;
    let handle = runtime.handle().clone();
    let serve = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("charm-delivery".to_owned()).spawn(serve)?;
    Ok(handle)
}
