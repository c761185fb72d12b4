//! How many there are of something, in words.
//!
//! Rule: what is said of one is not said of several.

/// `1 line`, `2 lines`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    counted_as(count, noun, &format!("{noun}s"))
}

/// `1 file belongs`, `2 files belong`.
pub(crate) fn counted_as(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
