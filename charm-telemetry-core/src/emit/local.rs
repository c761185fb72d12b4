//! The ring of the current thread.
//!
//! Rule: finding it is one comparison; a thread makes one ring for each hub it emits to and gives it back when it ends.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use super::hub::Hub;
use super::ring::Producer;
use super::sync::of_each_thread;

of_each_thread! {
    /// The ring that was used last. Taken while it is used, so that an emit within an emit finds none.
    static LAST: Cell<Option<Box<Local>>> = const { Cell::new(None) };
    /// Those of other hubs.
    static OTHERS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

/// A ring of this thread.
#[derive(Debug)]
pub(super) struct Local {
    /// Where the hub lives. The `Weak` keeps the place taken, so it stands for one hub as long as this exists.
    address: usize,
    hub: Weak<Hub>,
    pub(super) producer: Producer,
}

/// Calls `push` with the ring that was used last, if it is of that hub.
#[inline]
pub(super) fn with_last(hub: &Arc<Hub>, push: impl FnOnce(&mut Producer) -> bool) -> bool {
    let take_and_give_back = |last: &Cell<Option<Box<Local>>>| {
        let Some(mut local) = last.take() else { return false };
        let pushed = local.address == address(hub) && push(&mut local.producer);
        // Nothing to drop there: an emit within this emit would have found none.
        std::mem::forget(last.replace(Some(local)));
        pushed
    };
    LAST.try_with(take_and_give_back).unwrap_or(false)
}

/// This thread's ring of that hub, made if need be. `None` if the thread is being torn down.
pub(super) fn take(hub: &Arc<Hub>) -> Option<Box<Local>> {
    let find = |others: &RefCell<Vec<Local>>| {
        let mut others = others.borrow_mut();
        others.extend(LAST.try_with(Cell::take).ok().flatten().map(|local| *local));
        others.retain(|local| local.hub.strong_count() > 0);
        let found = others.iter().position(|local| local.address == address(hub));
        found.map(|at| Box::new(others.swap_remove(at)))
    };
    let found = OTHERS.try_with(find).ok()?;
    let new = || Local { address: address(hub), hub: Arc::downgrade(hub), producer: hub.new_ring() };
    Some(found.unwrap_or_else(|| Box::new(new())))
}

/// Puts a ring back, as the one that was used last.
#[inline]
pub(super) fn give_back(local: Box<Local>) {
    // Dropped if the thread is being torn down: what was written stays for the pump.
    let _: Result<(), _> = LAST.try_with(|last| last.set(Some(local)));
}

#[inline]
fn address(hub: &Arc<Hub>) -> usize {
    Arc::as_ptr(hub).addr()
}
