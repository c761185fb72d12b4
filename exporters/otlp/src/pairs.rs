//! Lists of keys and values as OpenTelemetry writes them in variables: `key1=value1,key2=value2`, percent-encoded.
//!
//! Rule: a list is used as a whole or not at all, and no error shows a value.

use charm_telemetry_core::Secret;

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PairsError {
    #[error("entry {0} has no `=`; write `key=value,key2=value2`")]
    NoValue(usize),
    #[error("entry {0} has no key; write `key=value,key2=value2`")]
    NoKey(usize),
    #[error("the value of entry {0} is not percent-encoded UTF-8; write `%25` for a percent sign")]
    Encoding(usize),
    #[error("entry {0} cannot be a header; its name must be letters, digits and `-`, its value visible text")]
    Header(usize),
    #[error("entry {0} is the header `{1}`, which the exporter writes itself; remove it")]
    OwnHeader(usize, &'static str),
}

/// Reads a list. Spaces around keys and values are no part of them; empty entries are passed over.
pub(crate) fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, PairsError> {
    let entries = text.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    entries.map(|(index, entry)| parse_pair(entry, index + 1)).collect()
}

/// Headers that requests have anyhow.
const OWN_HEADERS: [&str; 5] =
    ["content-type", "content-encoding", "content-length", "host", "transfer-encoding"];

/// Reads a list of headers. Names come out in lower case.
pub(crate) fn parse_headers(text: &str) -> Result<Vec<(String, Secret)>, PairsError> {
    let pairs = parse_pairs(text)?;
    pairs.into_iter().enumerate().map(|(index, (name, value))| header(&name, &value, index + 1)).collect()
}

fn parse_pair(entry: &str, number: usize) -> Result<(String, String), PairsError> {
    let (key, value) = entry.split_once('=').ok_or(PairsError::NoValue(number))?;
    if key.trim().is_empty() {
        return Err(PairsError::NoKey(number));
    }
    let decode = |text: &str| percent_decode(text.trim()).ok_or(PairsError::Encoding(number));
    Ok((decode(key)?, decode(value)?))
}

fn header(name: &str, value: &str, number: usize) -> Result<(String, Secret), PairsError> {
    let name = name.to_ascii_lowercase();
    let name_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.bytes().all(name_byte) || value.chars().any(char::is_control) {
        return Err(PairsError::Header(number));
    }
    if let Some(own) = OWN_HEADERS.iter().find(|own| **own == name) {
        return Err(PairsError::OwnHeader(number, own));
    }
    Ok((name, Secret::new(value)))
}

/// `None` if a `%` is not followed by two digits, or if the result is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}
