//! The ring of the current thread.
//!
//! Rule: finding it is one comparison; a thread makes one ring for each hub it emits to and gives it back when it ends.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::hub::{self, Hub};
use super::ring::Producer;

thread_local! {
    static LOCAL: RefCell<Vec<(Weak<Hub>, Producer)>> = const { RefCell::new(Vec::new()) };
}

/// Calls `emit` with this thread's ring of that hub. `false` if `emit` says so, or if the thread is being torn down.
#[inline]
pub(super) fn with_producer(hub: &Arc<Hub>, emit: impl FnOnce(&mut Producer) -> bool) -> bool {
    let emit = |local: &RefCell<Vec<(Weak<Hub>, Producer)>>| {
        let Ok(mut producers) = local.try_borrow_mut() else { return false };
        if producers.first().is_none_or(|(owner, _)| owner.as_ptr() != Arc::as_ptr(hub)) {
            bring_to_front(&mut producers, hub);
        }
        emit(&mut producers[0].1)
    };
    LOCAL.try_with(emit).unwrap_or(false)
}

#[cold]
fn bring_to_front(producers: &mut Vec<(Weak<Hub>, Producer)>, hub: &Arc<Hub>) {
    // A `Weak` keeps the allocation, so an address stands for one hub as long as its entry exists.
    producers.retain(|(owner, _)| owner.strong_count() > 0);
    let found = producers.iter().position(|(owner, _)| owner.as_ptr() == Arc::as_ptr(hub));
    let at = found.unwrap_or_else(|| {
        producers.push((hub::weak(hub), hub.new_ring()));
        producers.len() - 1
    });
    producers.swap(0, at);
}
