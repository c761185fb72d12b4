//! Every interleaving of the lock-free code, tried by loom: `cargo xtask loom`.
//!
//! Rule: a model runs the real type, with fewer words and fewer tokens.

use loom::thread;

use super::ring::{Owner, Ring, Token};

fn token(sequence: u64, text: &str) -> Token<'_> {
    Token { owner: Owner::new(1, 2, 3), sequence, ticks: 4, text }
}

#[test]
fn a_reader_sees_whole_tokens_in_order_and_only_once() {
    loom::model(|| {
        let (mut producer, ring) = Ring::<16>::new();
        let writer = thread::spawn(move || {
            for (sequence, text) in ["ab", "12345678X"].into_iter().enumerate() {
                assert!(producer.has_room(text.len()));
                producer.push(token(sequence as u64, text));
            }
        });
        let mut seen = Vec::new();
        for _ in 0..2 {
            ring.drain(8, &mut Vec::new(), |token| seen.push((token.sequence, token.text.to_owned())));
        }
        writer.join().expect("the writer ends");
        ring.drain(8, &mut Vec::new(), |token| seen.push((token.sequence, token.text.to_owned())));
        assert_eq!(seen, [(0, "ab".to_owned()), (1, "12345678X".to_owned())]);
        assert!(ring.is_finished());
    });
}

#[test]
fn a_writer_never_overwrites_what_was_not_read() {
    loom::model(|| {
        let (mut producer, ring) = Ring::<8>::new();
        let writer = thread::spawn(move || {
            let mut written = 0;
            for sequence in 0..2 {
                if producer.has_room(4) {
                    producer.push(token(sequence, "same"));
                    written += 1;
                }
            }
            written
        });
        let mut seen = 0;
        ring.drain(8, &mut Vec::new(), |token| {
            assert_eq!(token.text, "same");
            assert_eq!(token.sequence, seen);
            seen += 1;
        });
        let written = writer.join().expect("the writer ends");
        ring.drain(8, &mut Vec::new(), |_| seen += 1);
        assert_eq!(seen, written);
    });
}
