//! Tests of delivery and spool together.
//!
//! Rule: after every fault the books balance, the receiver has nothing that was not issued, and what it has not is
//! dropped by name or still spooled.

mod ageing;
mod bench;
#[cfg(target_os = "linux")]
mod bombs;
mod books;
mod coming_back;
mod dying_disk;
mod faulty_disk;
#[cfg(target_os = "linux")]
mod full_start;
mod gate;
mod idle;
mod killed;
mod losses;
mod nudged;
mod outdated;
mod over_http;
mod panic_words;
mod power_cuts;
mod real_disk;
mod receiver_faults;
mod shutting_down;
mod simulated_disk;
mod spool_faults;
mod stuck;
mod suspended;
mod swapped;
mod taken;
mod undeletable;
#[cfg(target_os = "linux")]
mod unreachable;
mod vanished;
mod vendor_faults;
mod vendor_panics;
