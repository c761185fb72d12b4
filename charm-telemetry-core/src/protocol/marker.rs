//! The two prefixes that make a line an event line.
//! The one rule: a marker counts at the start of a line and nowhere else.

/// What Charm writes before each event.
pub const EVENT_MARKER: &str = "__CHARM_EVENT__";

/// What the launch script of the cloud runner writes before its events: read, never written by us.
pub const LAUNCHER_MARKER: &str = "::CHARM_EVENT::";

/// Both markers, the common one first.
pub const MARKERS: [&str; 2] = [EVENT_MARKER, LAUNCHER_MARKER];

/// What follows the marker that `line` starts with, or `None` for a line without one.
#[inline]
pub fn strip_marker(line: &[u8]) -> Option<&[u8]> {
    // Most lines of a chatty agent are prints: one comparison sends them on.
    if !matches!(line.first(), Some(b'_' | b':')) {
        return None;
    }
    MARKERS.iter().find_map(|marker| line.strip_prefix(marker.as_bytes()))
}
