//! The hand-over of tokens from one emitting thread to the pump: a bounded ring of words.
//!
//! Rule: one writer, one reader, no lock, no allocation and no `unsafe`: the words are relaxed atomics, which cost the
//! same as plain memory, and two counters publish them.

use super::sync::{Arc, AtomicBool, AtomicU64, Ordering};

/// Tokens longer than this take the slow road: they are rare, and one must not fill a ring.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// Words of a record before its text.
const HEADER_WORDS: u64 = 4;

/// A token on its way: whose it is, its place, its time stamp in ticks of the [clock](super::clock), and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) run: u32,
    pub(crate) call: u32,
    pub(crate) parent: u32,
    pub(crate) sequence: u64,
    pub(crate) ticks: u64,
    pub(crate) text: &'a str,
}

/// Memory shared by one [`Producer`] and one reader.
#[derive(Debug)]
pub(crate) struct Ring {
    words: Box<[AtomicU64]>,
    /// Words written since the beginning. Only the producer stores it.
    tail: CacheLine,
    /// Words read since the beginning. Only the reader stores it.
    head: CacheLine,
    /// The producer is gone: once empty, the ring can be forgotten.
    abandoned: AtomicBool,
}

/// A counter that does not share its cache line with the other side's.
#[derive(Debug)]
#[repr(align(128))]
struct CacheLine(AtomicU64);

/// The writing end. It belongs to one thread.
#[derive(Debug)]
pub(crate) struct Producer {
    ring: Arc<Ring>,
    tail: u64,
    /// The reader's counter when it was last looked at: looked at again only when the ring seems full.
    known_head: u64,
}

impl Ring {
    /// A ring of `words` words of eight bytes, a power of two: its writing end, and the ring for the reader.
    pub(crate) fn new(words: usize) -> (Producer, Arc<Self>) {
        assert!(words.is_power_of_two(), "a mask finds the place of a word");
        let ring = Arc::new(Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            tail: CacheLine(AtomicU64::new(0)),
            head: CacheLine(AtomicU64::new(0)),
            abandoned: AtomicBool::new(false),
        });
        (Producer { ring: Arc::clone(&ring), tail: 0, known_head: 0 }, ring)
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.0.load(Ordering::Relaxed) == self.tail.0.load(Ordering::Acquire)
    }

    /// Whether nothing will ever come again.
    pub(crate) fn is_finished(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) && self.is_empty()
    }

    /// Reads up to `limit` tokens. Must be called by one thread at a time. Returns how many there were.
    ///
    /// `buffer` is reused between calls; its content does not matter.
    pub(crate) fn drain(&self, limit: usize, buffer: &mut Vec<u8>, mut each: impl FnMut(Token<'_>)) -> usize {
        let tail = self.tail.0.load(Ordering::Acquire);
        let mut head = self.head.0.load(Ordering::Relaxed);
        let mut count = 0;
        while head != tail && count < limit {
            head += self.read(head, buffer, &mut each);
            // One store a token: a producer that waits for room goes on as soon as there is some.
            self.head.0.store(head, Ordering::Release);
            count += 1;
        }
        count
    }

    fn read(&self, at: u64, buffer: &mut Vec<u8>, each: &mut impl FnMut(Token<'_>)) -> u64 {
        let (call, length) = split(self.load(at));
        let (run, parent) = split(self.load(at + 3));
        let text_words = u64::from(length).div_ceil(8);
        buffer.clear();
        for word in 0..text_words {
            buffer.extend_from_slice(&self.load(at + HEADER_WORDS + word).to_le_bytes());
        }
        let text = str::from_utf8(&buffer[..length as usize]).expect("the producer wrote a `str`");
        each(Token { run, call, parent, sequence: self.load(at + 1), ticks: self.load(at + 2), text });
        HEADER_WORDS + text_words
    }

    fn load(&self, at: u64) -> u64 {
        self.slot(at).load(Ordering::Relaxed)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask cuts to the size of the ring anyway")]
    fn slot(&self, at: u64) -> &AtomicU64 {
        &self.words[at as usize & (self.words.len() - 1)]
    }
}

impl Producer {
    /// Whether a text of `length` bytes fits now.
    #[inline]
    pub(crate) fn has_room(&mut self, length: usize) -> bool {
        let needed = HEADER_WORDS + (length as u64).div_ceil(8);
        self.fits(needed) || {
            self.known_head = self.ring.head.0.load(Ordering::Acquire);
            self.fits(needed)
        }
    }

    /// Writes a token and publishes it. Room for it must have been seen by [`has_room`](Self::has_room).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "texts are at most `MAX_TEXT_BYTES` long")]
    pub(crate) fn push(&mut self, token: Token<'_>) {
        let mut at = self.tail;
        self.store(&mut at, join(token.call, token.text.len() as u32));
        self.store(&mut at, token.sequence);
        self.store(&mut at, token.ticks);
        self.store(&mut at, join(token.run, token.parent));
        let mut chunks = token.text.as_bytes().chunks_exact(8);
        for chunk in &mut chunks {
            self.store(&mut at, u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
        }
        if !chunks.remainder().is_empty() {
            self.store(&mut at, short_word(chunks.remainder()));
        }
        self.tail = at;
        self.ring.tail.0.store(at, Ordering::Release);
    }

    #[inline]
    fn fits(&self, needed: u64) -> bool {
        self.tail + needed - self.known_head <= self.ring.words.len() as u64
    }

    #[inline]
    fn store(&self, at: &mut u64, word: u64) {
        self.ring.slot(*at).store(word, Ordering::Relaxed);
        *at += 1;
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.ring.abandoned.store(true, Ordering::Release);
    }
}

/// One to seven bytes as a word, without a loop and without a call of `memcpy`.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if length >= 4 {
        let first = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
        let last = u32::from_le_bytes(bytes[length - 4..].try_into().expect("four bytes"));
        u64::from(first) | u64::from(last) << (8 * (length - 4))
    } else {
        let middle = u64::from(bytes[length / 2]) << (8 * (length / 2));
        u64::from(bytes[0]) | middle | u64::from(bytes[length - 1]) << (8 * (length - 1))
    }
}

#[inline]
fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn token(sequence: u64, text: &str) -> Token<'_> {
        Token { run: 7, call: 3, parent: 2, sequence, ticks: 99, text }
    }

    fn read_all(ring: &Ring) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        ring.drain(usize::MAX, &mut Vec::new(), |token| seen.push((token.sequence, token.text.to_owned())));
        seen
    }

    #[test]
    fn texts_of_every_length_come_out_as_they_went_in() {
        let (mut producer, ring) = Ring::new(1024);
        let text = "wörld-0123456789-abcdefghijklmnopqrstuvwxyz-€".repeat(8);
        for length in (0..=text.len()).filter(|&length| text.is_char_boundary(length)) {
            assert!(producer.has_room(length));
            producer.push(token(length as u64, &text[..length]));
            assert_eq!(read_all(&ring), [(length as u64, text[..length].to_owned())]);
        }
    }

    #[test]
    fn every_field_of_a_token_survives() {
        let (mut producer, ring) = Ring::new(16);
        producer.push(token(u64::MAX, "x"));
        ring.drain(1, &mut Vec::new(), |seen| assert_eq!(seen, token(u64::MAX, "x")));
    }

    #[test]
    fn a_full_ring_has_no_room_until_it_was_read() {
        let (mut producer, ring) = Ring::new(16);
        let mut written = 0;
        while producer.has_room(8) {
            producer.push(token(written, "eight by"));
            written += 1;
        }
        assert_eq!(written, 3, "16 words hold three records of five");
        assert_eq!(read_all(&ring).len(), 3);
        assert!(producer.has_room(8));
    }

    #[test]
    fn a_ring_is_finished_when_its_producer_is_gone_and_it_was_read() {
        let (mut producer, ring) = Ring::new(16);
        producer.push(token(0, "last"));
        assert!(!ring.is_finished());
        drop(producer);
        assert!(!ring.is_finished(), "one token is still in it");
        assert_eq!(read_all(&ring).len(), 1);
        assert!(ring.is_finished());
    }

    #[test]
    fn two_threads_pass_a_million_words_in_order_through_a_small_ring() {
        const COUNT: u64 = 50_000;
        let (mut producer, ring) = Ring::new(64);
        let writer = std::thread::spawn(move || {
            for sequence in 0..COUNT {
                let text = sequence.to_string();
                while !producer.has_room(text.len()) {
                    std::hint::spin_loop();
                    std::thread::yield_now();
                }
                producer.push(token(sequence, &text));
            }
        });
        let mut next = 0;
        while next < COUNT {
            let drained = ring.drain(usize::MAX, &mut Vec::new(), |token| {
                assert_eq!((token.sequence, token.text), (next, next.to_string().as_str()));
                next += 1;
            });
            if drained == 0 {
                std::thread::yield_now();
            }
        }
        writer.join().expect("the writer ends");
    }
}
