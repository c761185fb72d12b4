//! The two prefixes that make a line an event line.
//! The one rule: a marker counts at the start of a line and nowhere else.

/// What Charm writes before each event.
///
/// ```
/// use charm_telemetry_core::StreamEvent;
/// use charm_telemetry_core::protocol::EVENT_MARKER;
///
/// let line = format!("{EVENT_MARKER}{}", StreamEvent::status("Thinking").json());
/// assert_eq!(line, r#"__CHARM_EVENT__{"type":"status","content":"Thinking"}"#);
/// ```
pub const EVENT_MARKER: &str = "__CHARM_EVENT__";

/// What the launch script of the cloud runner writes before its events: read, never written by us.
///
/// ```
/// use charm_telemetry_core::protocol::{LAUNCHER_MARKER, Line, parse_line};
///
/// let line = format!(r#"{LAUNCHER_MARKER}{{"type":"status","content":"Thinking"}}"#);
/// assert!(matches!(parse_line(line.as_bytes()), Line::Event(_)));
/// ```
pub const LAUNCHER_MARKER: &str = "::CHARM_EVENT::";

/// Both markers, the common one first.
///
/// ```
/// use charm_telemetry_core::protocol::MARKERS;
///
/// let is_event = |line: &str| MARKERS.iter().any(|marker| line.starts_with(marker));
/// assert!(is_event("::CHARM_EVENT::{}"));
/// assert!(!is_event("it logged __CHARM_EVENT__{}"), "only the start of a line counts");
/// ```
pub const MARKERS: [&str; 2] = [EVENT_MARKER, LAUNCHER_MARKER];

/// What follows the marker that `line` starts with, or `None` for a line without one.
///
/// ```
/// use charm_telemetry_core::protocol::strip_marker;
///
/// assert_eq!(strip_marker(b"__CHARM_EVENT__{}"), Some(b"{}".as_slice()));
/// assert_eq!(strip_marker(b"it logged __CHARM_EVENT__{}"), None);
/// ```
#[inline]
pub fn strip_marker(line: &[u8]) -> Option<&[u8]> {
    // Most lines of a chatty agent are prints: one comparison sends them on.
    if !matches!(line.first(), Some(b'_' | b':')) {
        return None;
    }
    MARKERS.iter().find_map(|marker| line.strip_prefix(marker.as_bytes()))
}
