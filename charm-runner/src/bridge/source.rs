//! The bridge's Python, part by part.
//! The one rule: `core` is all that a plain agent needs; the other parts are compiled only by agents that use them.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What `python3 -c` is given: reads the request and starts `core`.
pub(super) const LOADER: &str = include_str!("python/start.py");

/// The parts by the names under which they ask for each other.
pub(super) const PARTS: [(&str, &str); 12] = [
    ("core", include_str!("python/core.py")),
    ("crew", include_str!("python/crew.py")),
    ("failure", include_str!("python/failure.py")),
    ("forked", include_str!("python/forked.py")),
    ("frameworks", include_str!("python/frameworks.py")),
    ("handler", include_str!("python/handler.py")),
    ("hooks", include_str!("python/hooks.py")),
    ("odd", include_str!("python/odd.py")),
    ("pickled", include_str!("python/pickled.py")),
    ("store", include_str!("python/store.py")),
    ("stream", include_str!("python/stream.py")),
    ("values", include_str!("python/values.py")),
];

/// Tells the bytecode of these sources from that of any other version of them.
pub(super) fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    PARTS.hash(&mut hasher);
    hasher.finish()
}
