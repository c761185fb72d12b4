//! Tests of delivery and spool together.
//!
//! Rule: after every fault the books balance, the receiver has nothing that was not issued, and what it has not is
//! dropped by name or still spooled.

mod ageing;
mod bench;
mod books;
mod dying_disk;
mod faulty_disk;
mod idle;
mod killed;
mod losses;
mod over_http;
mod power_cuts;
mod real_disk;
mod receiver_faults;
mod shutting_down;
mod simulated_disk;
mod spool_faults;
mod swapped;
mod undeletable;
mod vanished;
mod vendor_faults;
