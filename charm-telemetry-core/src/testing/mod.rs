//! Doubles for the tests of exporters.
//!
//! Rule: a double listens on loopback only, and everything it starts ends with it.
