//! Puts together frames that came in parts, because a pipe takes only so much in one.
//! The one rule: processes of one agent share the pipe, so the parts of each are kept apart; what never gets whole is counted.

use std::collections::HashMap;

use super::frame::{FrameError, MAX_FRAME_BYTES};

/// What parts of all processes together may take. Each frame has its own limit besides.
const MAX_HELD_BYTES: usize = 4 * MAX_FRAME_BYTES;

const FIRST: u8 = 1;
const LAST: u8 = 2;

/// The frames that are not whole yet, by the number of the process that sends them.
#[derive(Debug, Default)]
pub(super) struct Parts {
    open: HashMap<u32, Vec<u8>>,
    held: usize,
    lost: u64,
}

impl Parts {
    /// Takes one part: the process, the ends that it holds and its bytes. Gives the frame if that makes it whole.
    pub(super) fn take(&mut self, part: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        let (process, rest) = part.split_first_chunk().ok_or(FrameError::Incomplete)?;
        let (&ends, bytes) = rest.split_first().ok_or(FrameError::Incomplete)?;
        let process = u32::from_le_bytes(*process);
        if ends & FIRST != 0 {
            // A process of the same number, or this one, did not get to the end of the last one.
            self.lost += u64::from(self.remove(process).is_some());
            self.open.insert(process, Vec::new());
        }
        // The rest of one that was given up.
        let Some(open) = self.open.get_mut(&process) else { return Ok(None) };
        if open.len() + bytes.len() > MAX_FRAME_BYTES || self.held + bytes.len() > MAX_HELD_BYTES {
            self.remove(process);
            self.lost += 1;
            return Ok(None);
        }
        open.extend_from_slice(bytes);
        self.held += bytes.len();
        Ok(if ends & LAST == 0 { None } else { self.remove(process) })
    }

    /// How many frames never got whole; those that are not whole now are taken for such.
    pub(super) fn lost(&self) -> u64 {
        self.lost + self.open.len() as u64
    }

    fn remove(&mut self, process: u32) -> Option<Vec<u8>> {
        let removed = self.open.remove(&process)?;
        self.held -= removed.len();
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(process: u8, ends: u8, bytes: &[u8]) -> Vec<u8> {
        [&[process, 0, 0, 0, ends], bytes].concat()
    }

    #[test]
    fn parts_of_several_processes_are_kept_apart() {
        let mut parts = Parts::default();
        let mut take = |process, ends, bytes: &[u8]| parts.take(&part(process, ends, bytes)).unwrap();
        assert_eq!(take(1, FIRST, b"ja"), None);
        assert_eq!(take(2, FIRST, b"jx"), None);
        assert_eq!(take(1, 0, b"b"), None);
        assert_eq!(take(2, LAST, b"y"), Some(b"jxy".to_vec()));
        assert_eq!(take(3, FIRST | LAST, b"o"), Some(b"o".to_vec()));
        assert_eq!(take(1, LAST, b"c"), Some(b"jabc".to_vec()));
        assert_eq!((parts.lost(), parts.held), (0, 0));
    }

    #[test]
    fn what_never_gets_whole_is_counted_and_takes_bounded_memory() {
        let mut parts = Parts::default();
        parts.take(&part(1, FIRST, b"cut off")).unwrap();
        parts.take(&part(1, FIRST, b"again")).unwrap();
        assert_eq!(parts.take(&part(9, LAST, b"without a beginning")), Ok(None));
        assert_eq!((parts.lost(), parts.held), (2, 5));
        parts.take(&part(2, FIRST, &vec![0; MAX_FRAME_BYTES])).unwrap();
        assert_eq!(parts.take(&part(2, LAST, b"too much")), Ok(None));
        assert_eq!((parts.lost(), parts.held), (3, 5));
        assert_eq!(parts.take(b"\x01\0\0\0"), Err(FrameError::Incomplete));
    }
}
