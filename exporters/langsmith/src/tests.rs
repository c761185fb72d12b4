//! Tests.
//!
//! Rule: read back.
