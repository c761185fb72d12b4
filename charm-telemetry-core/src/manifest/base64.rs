//! The base64 of `!!binary`.
//! One rule: it is as lenient as the reference's reader, which skips whatever is no base64 digit.

/// The bytes, or `None` when the digits do not come out even.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() {
        return None;
    }
    let (mut bytes, mut group, mut count, mut pads) = (Vec::new(), 0_u32, 0_usize, 0_usize);
    for byte in text.bytes() {
        if byte == b'=' {
            pads += 1;
            if count >= 2 && count + pads >= 4 {
                break;
            }
            continue;
        }
        let Some(digit) = digit(byte) else { continue };
        pads = 0;
        group = (group << 6) | u32::from(digit);
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, count) = (0, 0);
        }
    }
    match (count, pads) {
        (0, _) => {}
        (2, 2..) => bytes.push(group.to_be_bytes()[2] << 4 | group.to_be_bytes()[3] >> 4),
        (3, 1..) => bytes.extend_from_slice(&(group << 6).to_be_bytes()[1..3]),
        _ => return None,
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn what_comes_out_even_is_decoded_and_nothing_else() {
        assert_eq!(decode("YWJj").as_deref(), Some(&b"abc"[..]));
        assert_eq!(decode("MC40").as_deref(), Some(&b"0.4"[..]));
        assert_eq!(decode("YQ==").as_deref(), Some(&b"a"[..]));
        assert_eq!(decode("YW I=\n").as_deref(), Some(&b"ab"[..]));
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        assert_eq!(decode("YQ="), None);
        assert_eq!(decode("YQ"), None);
        assert_eq!(decode("Y"), None);
        assert_eq!(decode("ä"), None);
    }
}
