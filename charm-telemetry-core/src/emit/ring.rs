//! The hand-over of tokens from one emitting thread to the pump: a bounded ring of words.
//!
//! Rule: one writer, one reader, no lock, no allocation and no `unsafe`: the words are relaxed atomics, which cost the
//! same as plain memory, and two counters publish them.

use super::sync::{Arc, AtomicBool, AtomicU64, Ordering};

/// For longer tokens nobody waits until there is room: they take the slow road, because they may never fit.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// Words of the ring of one emitting thread: 512 KiB, about ten thousand tokens.
#[cfg(not(loom))]
pub(crate) const RING_WORDS: usize = 64 * 1024;

/// Three short tokens: a model comes to the end of the ring, and tries all there is in seconds.
#[cfg(loom)]
pub(crate) const RING_WORDS: usize = 16;

/// Words of a record before its text.
const HEADER_WORDS: u64 = 4;

/// Whose a token is, in the form in which it stands in a ring: made once for each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The call in the upper half. The lower half is free.
    call: u64,
    /// The run, and the parent of the call.
    run: u64,
}

/// A token on its way: whose it is, its place, its time stamp in ticks of the [clock](super::clock), and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) owner: Owner,
    pub(crate) sequence: u64,
    pub(crate) ticks: u64,
    pub(crate) text: &'a str,
}

/// Memory shared by one [`Producer`] and one reader.
#[derive(Debug)]
pub(crate) struct Ring<const WORDS: usize = RING_WORDS> {
    words: Box<[AtomicU64; WORDS]>,
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
pub(crate) struct Producer<const WORDS: usize = RING_WORDS> {
    ring: Arc<Ring<WORDS>>,
    tail: u64,
    /// How far `tail` may go, by the reader's counter when it was last looked at: looked at again only when that is
    /// not far enough.
    limit: u64,
}

impl Owner {
    pub(crate) fn new(run: u32, call: u32, parent: u32) -> Self {
        Self { call: join(call, 0), run: join(run, parent) }
    }

    pub(crate) fn run(self) -> u32 {
        split(self.run).0
    }

    pub(crate) fn call(self) -> u32 {
        split(self.call).0
    }

    pub(crate) fn parent(self) -> u32 {
        split(self.run).1
    }
}

impl<const WORDS: usize> Ring<WORDS> {
    /// A place is found by a mask.
    const MASK: usize = {
        assert!(WORDS.is_power_of_two(), "a mask finds the place of a word");
        WORDS - 1
    };

    /// A ring: its writing end, and itself for the reader.
    pub(crate) fn new() -> (Producer<WORDS>, Arc<Self>) {
        let words: Box<[AtomicU64]> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        let ring = Arc::new(Self {
            words: words.try_into().expect("as many as were made"),
            tail: CacheLine(AtomicU64::new(0)),
            head: CacheLine(AtomicU64::new(0)),
            abandoned: AtomicBool::new(false),
        });
        (Producer { ring: Arc::clone(&ring), tail: 0, limit: WORDS as u64 }, ring)
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.0.load(Ordering::Relaxed) == self.tail.0.load(Ordering::Acquire)
    }

    /// Whether more than a quarter is taken: ten thousand short tokens still fit.
    pub(crate) fn is_filling_up(&self) -> bool {
        let head = self.head.0.load(Ordering::Relaxed);
        self.tail.0.load(Ordering::Relaxed).saturating_sub(head) > WORDS as u64 / 4
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
        let owner = Owner { call: join(call, 0), run: self.load(at + 3) };
        let text_words = u64::from(length).div_ceil(8);
        buffer.clear();
        for word in 0..text_words {
            buffer.extend_from_slice(&self.load(at + HEADER_WORDS + word).to_le_bytes());
        }
        let text = str::from_utf8(&buffer[..length as usize]).expect("the producer wrote a `str`");
        each(Token { owner, sequence: self.load(at + 1), ticks: self.load(at + 2), text });
        HEADER_WORDS + text_words
    }

    fn load(&self, at: u64) -> u64 {
        self.slot(at).load(Ordering::Relaxed)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask cuts to the size of the ring anyway")]
    fn slot(&self, at: u64) -> &AtomicU64 {
        &self.words[at as usize & Self::MASK]
    }
}

impl<const WORDS: usize> Producer<WORDS> {
    /// Whether a text of `length` bytes fits now.
    #[inline]
    pub(crate) fn has_room(&mut self, length: usize) -> bool {
        // One word too many where the length is a multiple of eight: that is cheaper than to find out.
        let end = self.tail + HEADER_WORDS + 1 + length as u64 / 8;
        end <= self.limit || self.look_for_room(end)
    }

    #[cold]
    #[inline(never)]
    fn look_for_room(&mut self, end: u64) -> bool {
        self.limit = self.ring.head.0.load(Ordering::Acquire) + WORDS as u64;
        end <= self.limit
    }

    /// Writes a token and publishes it. Room for it must have been seen by [`has_room`](Self::has_room).
    #[inline]
    pub(crate) fn push(&mut self, token: Token<'_>) {
        let mut writer = Writer { words: &self.ring.words, at: self.tail };
        writer.write(token.owner.call | token.text.len() as u64);
        writer.write(token.sequence);
        writer.write(token.ticks);
        writer.write(token.owner.run);
        let mut chunks = token.text.as_bytes().chunks_exact(8);
        for chunk in &mut chunks {
            writer.write(u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
        }
        if !chunks.remainder().is_empty() {
            writer.write(short_word(chunks.remainder()));
        }
        self.tail = writer.at;
        self.ring.tail.0.store(self.tail, Ordering::Release);
    }
}

/// Writes words, one after another. A type of its own so that the compiler keeps the slice in registers.
struct Writer<'a, const WORDS: usize> {
    words: &'a [AtomicU64; WORDS],
    at: u64,
}

impl<const WORDS: usize> Writer<'_, WORDS> {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask cuts to the size of the ring anyway")]
    fn write(&mut self, word: u64) {
        self.words[self.at as usize & Ring::<WORDS>::MASK].store(word, Ordering::Relaxed);
        self.at += 1;
    }
}

impl<const WORDS: usize> Drop for Producer<WORDS> {
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
        Token { owner: Owner::new(7, 3, 2), sequence, ticks: 99, text }
    }

    fn read_all<const WORDS: usize>(ring: &Ring<WORDS>) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        ring.drain(usize::MAX, &mut Vec::new(), |token| seen.push((token.sequence, token.text.to_owned())));
        seen
    }

    #[test]
    fn texts_of_every_length_come_out_as_they_went_in() {
        let (mut producer, ring) = Ring::<1024>::new();
        let text = "wörld-0123456789-abcdefghijklmnopqrstuvwxyz-€".repeat(8);
        for length in (0..=text.len()).filter(|&length| text.is_char_boundary(length)) {
            assert!(producer.has_room(length));
            producer.push(token(length as u64, &text[..length]));
            assert_eq!(read_all(&ring), [(length as u64, text[..length].to_owned())]);
        }
    }

    #[test]
    fn every_field_of_a_token_survives() {
        let (mut producer, ring) = Ring::<16>::new();
        producer.push(token(u64::MAX, "x"));
        ring.drain(1, &mut Vec::new(), |seen| {
            assert_eq!(seen, token(u64::MAX, "x"));
            assert_eq!((seen.owner.run(), seen.owner.call(), seen.owner.parent()), (7, 3, 2));
        });
    }

    #[test]
    fn a_full_ring_has_no_room_until_it_was_read() {
        let (mut producer, ring) = Ring::<16>::new();
        let mut written = 0;
        while producer.has_room(7) {
            producer.push(token(written, "seven b"));
            written += 1;
        }
        assert_eq!(written, 3, "16 words hold three records of five");
        assert_eq!(read_all(&ring).len(), 3);
        assert!(producer.has_room(7));
    }

    #[test]
    fn a_ring_is_finished_when_its_producer_is_gone_and_it_was_read() {
        let (mut producer, ring) = Ring::<16>::new();
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
        let (mut producer, ring) = Ring::<64>::new();
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
