//! Lines through the assembler, whole and in pieces.
//! The one rule: each property compares with the plain definition of a line, written on a whole buffer.

use proptest::prelude::*;

use super::*;

/// `(bytes, total_len, has_newline)` of a line.
type Seen = (Vec<u8>, u64, bool);

fn assemble<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: LineLimits) -> (Vec<Seen>, LineCounts) {
    let mut seen = Vec::new();
    let mut assembler = LineAssembler::new(limits);
    for piece in pieces {
        assembler.feed(piece, |line| seen.push((line.bytes.to_vec(), line.total_len, line.has_newline)));
        assert!(assembler.carry.capacity() <= 2 * (limits.longest() + 2), "memory is bounded");
    }
    assembler.finish(|line| seen.push((line.bytes.to_vec(), line.total_len, line.has_newline)));
    (seen, assembler.counts())
}

/// The definition: split the whole buffer, strip, cut.
fn define(bytes: &[u8], limits: LineLimits) -> Vec<Seen> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let (line, has_newline) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
            let line = if has_newline { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            let is_event = line.starts_with(b"__CHARM_EVENT__") || line.starts_with(b"::CHARM_EVENT::");
            let limit = if is_event { limits.event } else { limits.log };
            let kept = if line.len() > limit { &line[..limit] } else { line };
            (kept.to_vec(), line.len() as u64, has_newline)
        })
        .collect()
}

fn line(bytes: &[u8]) -> Seen {
    (bytes.to_vec(), bytes.len() as u64, true)
}

#[test]
fn one_carriage_return_before_the_newline_belongs_to_the_line_end_and_others_to_the_line() {
    let (seen, _) = assemble([&b"a\r\nb\r\r\n\r\n\n10%\r20%\r\nx\0y\n"[..]], LineLimits::default());
    assert_eq!(seen, [line(b"a"), line(b"b\r"), line(b""), line(b""), line(b"10%\r20%"), line(b"x\0y")]);
}

#[test]
fn what_was_printed_keeps_its_carriage_returns() {
    let mut seen = Vec::new();
    let mut assembler = LineAssembler::new(LineLimits::new(300, 300)).keep_cr();
    let long = [&[b'x'; 301][..], b"\r\n"].concat();
    for piece in [&b"a\r\nb\r"[..], b"\n\r\n", &long] {
        assembler.feed(piece, |line| seen.push((line.bytes.to_vec(), line.total_len, line.has_newline)));
    }
    assert_eq!(seen, [line(b"a\r"), line(b"b\r"), line(b"\r"), (long[..256].to_vec(), 302, true)]);
}

#[test]
fn the_last_line_without_a_newline_is_handed_on_as_it_is() {
    let (seen, _) = assemble([&b"a\nrest\r"[..]], LineLimits::default());
    assert_eq!(seen, [line(b"a"), (b"rest\r".to_vec(), 5, false)]);
}

#[test]
fn a_line_over_its_limit_is_cut_and_the_next_one_is_whole() {
    let limits = LineLimits::new(1000, 300);
    let long = [b'x'; 301];
    let event = [&b"__CHARM_EVENT__"[..], &[b'x'; 985]].concat();
    let input = [&long[..], b"\n", &event, b"\r\n", &event, b"x\r\nnext\n", &long[1..], b"\n"].concat();
    for size in [1, 2, 7, 300, 301, 302, input.len()] {
        let (seen, counts) = assemble(input.chunks(size), limits);
        let cut_event = (event.clone(), 1001, true);
        let head = (long[1..].to_vec(), 301, true);
        assert_eq!(seen, [head, line(&event), cut_event, line(b"next"), line(&long[1..])]);
        assert_eq!(counts, LineCounts { lines: 5, cut: 2, bytes_discarded: 1 + 1 });
    }
}

#[test]
fn an_endless_line_takes_no_more_memory_than_its_limit() {
    let mut assembler = LineAssembler::new(LineLimits::default());
    let piece = vec![0; 1 << 20];
    for _ in 0..64 {
        assembler.feed(&piece, |_| panic!("no line has ended"));
    }
    assert!(assembler.carry.capacity() <= 2 << 20);
    let mut seen = 0;
    assembler.finish(|line| seen = line.total_len);
    assert_eq!(seen, 64 << 20);
}

fn chatter() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        3 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        2 => Just(b"__CHARM_EVENT__".to_vec()),
        1 => Just(b"::CHARM_EVENT::".to_vec()),
        2 => (250..270usize).prop_map(|len| vec![b'x'; len]),
        1 => (300..400usize).prop_map(|len| vec![b'\r'; len]),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_lines_are_the_same_however_the_bytes_are_split(
        bytes in chatter(),
        sizes in prop::collection::vec(1..64usize, 1..40),
    ) {
        let limits = LineLimits::new(320, 260);
        let expected = define(&bytes, limits);
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, left) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        prop_assert_eq!(&assemble(pieces, limits).0, &expected);
        prop_assert_eq!(&assemble(bytes.chunks(1), limits).0, &expected);
        prop_assert_eq!(&assemble([&bytes[..]], limits).0, &expected);
    }

    #[test]
    fn a_split_at_every_single_byte_gives_the_same_lines(bytes in chatter()) {
        let limits = LineLimits::new(320, 260);
        let expected = define(&bytes, limits);
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            prop_assert_eq!(&assemble([left, right], limits).0, &expected);
        }
    }

    #[test]
    fn the_counts_add_up_to_the_bytes(bytes in chatter()) {
        let (seen, counts) = assemble([&bytes[..]], LineLimits::new(320, 260));
        let total: u64 = seen.iter().map(|line| line.1).sum();
        let kept: usize = seen.iter().map(|line| line.0.len()).sum();
        prop_assert_eq!(counts.bytes_discarded, total - kept as u64);
        prop_assert_eq!(counts.lines, seen.len() as u64);
    }
}
