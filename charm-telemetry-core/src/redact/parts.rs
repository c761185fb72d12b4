//! Secrets within the value of a variable: the lines of a key, the key in an address, the values of a list of headers.
//!
//! Rule: what is no such value has no parts; a part is never a name, nor the value of a header that only names something.

/// What the names of headers with secrets have in them.
const SECRET_HEADERS: [&str; 7] = ["auth", "cookie", "credential", "key", "password", "secret", "token"];

/// The parts of a value that are secrets by themselves.
pub(super) fn of(value: &str) -> Vec<String> {
    of_lines(value).or_else(|| of_headers(value)).or_else(|| of_address(value)).unwrap_or_default()
}

/// What has several lines is printed line by line. The first and the last of a PEM file (`-----BEGIN ..`) are in every one.
fn of_lines(value: &str) -> Option<Vec<String>> {
    let is_secret = |line: &&str| !line.is_empty() && !line.starts_with("-----");
    let lines = value.trim().contains('\n').then(|| value.lines().map(str::trim).filter(is_secret));
    Some(lines?.map(str::to_owned).collect())
}

/// `scheme://name:password@host`: the password. On the web a key may stand alone before the `@`, elsewhere it is a name.
fn of_address(value: &str) -> Option<Vec<String>> {
    let (scheme, rest) = value.trim().split_once("://")?;
    let (user, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    let alone = Some(user).filter(|_| matches!(scheme, "http" | "https"));
    let secret = user.split_once(':').map(|(_, password)| password).or(alone)?;
    Some(spellings(secret))
}

/// `name=value,name=value`: the values whose names sound secret, each also without its scheme (`Bearer `).
fn of_headers(value: &str) -> Option<Vec<String>> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let pairs = value.split(',').filter(|pair| !pair.trim().is_empty());
    let pairs: Option<Vec<(&str, &str)>> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            is_name(name.trim()).then(|| (name.trim(), value.trim()))
        })
        .collect();
    let secret = pairs?.into_iter().filter(|(name, _)| sounds_secret(name));
    let whole = secret.flat_map(|(_, value)| spellings(value));
    Some(whole.flat_map(|value| [after_scheme(&value), Some(value)]).flatten().collect())
}

fn sounds_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    SECRET_HEADERS.iter().any(|word| header.contains(word))
}

fn after_scheme(value: &str) -> Option<String> {
    value.split_once(' ').map(|(_, credentials)| credentials.trim_start().to_owned())
}

/// As it stands, and with its percent signs undone.
fn spellings(text: &str) -> Vec<String> {
    let undone = percent_undone(text).filter(|undone| undone != text);
    std::iter::once(text.to_owned()).chain(undone).collect()
}

/// `None` if that is no text.
fn percent_undone(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits =
            behind.get(..2).filter(|digits| first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_lines_of_a_key_are_parts() {
        let key = "-----BEGIN KEY-----\nMIIabcdef\r\n  ghijkl==\n\n-----END KEY-----\n";
        assert_eq!(of(key), ["MIIabcdef", "ghijkl=="]);
        assert!(of("one-line\n").is_empty());
    }

    #[test]
    fn the_key_of_an_address_is_a_part() {
        assert_eq!(of("https://0123456789abcdef@errors.example.com/42"), ["0123456789abcdef"]);
        assert_eq!(of("postgres://reader:s%40cret@db/x?y@z"), ["s%40cret", "s@cret"]);
        for value in ["https://example.com/a@b", "postgres://postgres@localhost/db"] {
            assert!(of(value).is_empty(), "{value}");
        }
    }

    #[test]
    fn the_values_of_headers_are_parts() {
        assert_eq!(
            of("authorization=Bearer%20abc123,x-dataset=my-agent, X-Key = k=v,"),
            ["Bearer%20abc123", "abc123", "Bearer abc123", "k=v"]
        );
        assert_eq!(of("authorization=Bearer abc123,x-a=https://me.example"), ["abc123", "Bearer abc123"]);
    }

    #[test]
    fn what_is_neither_has_no_parts() {
        for value in ["", "sk-12345", "a b=c", "=", "one,two=three"] {
            assert!(of(value).is_empty(), "{value}");
        }
        assert!(of("dGVzdA==").is_empty());
    }
}
