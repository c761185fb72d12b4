//! What a registry wants before it answers: the header `WWW-Authenticate`.
//!
//! Rule: of several challenges the one with a token is taken, because a password that is sent less often leaks less.

/// One way to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The password itself, with every call.
    Basic,
    /// A token of the service at `realm`.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    pub(super) fn parse(headers: &[String]) -> Option<Self> {
        let found = headers.iter().filter_map(|header| Self::parse_one(header));
        found.min_by_key(|challenge| matches!(challenge, Self::Basic))
    }

    fn parse_one(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                Some(Self::Bearer { realm: parameter(rest, "realm")?, service: parameter(rest, "service") })
            }
            _ => None,
        }
    }
}

/// `name="value"` out of a list of those; a value may hold commas.
fn parameter(list: &str, name: &str) -> Option<String> {
    let mut rest = list;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']);
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    fn parse(headers: &[&str]) -> Option<Challenge> {
        Challenge::parse(&headers.iter().map(|&header| header.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_token_service_is_found_among_its_parameters() {
        let header =
            r#"Bearer realm="https://auth.a.io/token",service="a.io",scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.a.io/token".to_owned(),
            service: Some("a.io".to_owned()),
        };
        assert_eq!(parse(&[header]), Some(expected.clone()));
        assert_eq!(parse(&[r#"Basic realm="x""#, header]), Some(expected));
    }

    #[test]
    fn a_password_is_sent_where_nothing_else_is_offered() {
        assert_eq!(parse(&["basic"]), Some(Challenge::Basic));
        assert_eq!(parse(&["Negotiate", r#"Basic realm="r""#]), Some(Challenge::Basic));
        assert_eq!(parse(&["Negotiate"]), None);
    }
}
