//! Where LangSmith is.
//!
//! Rule: as LangSmith's SDKs read it: quotes and slashes at the end do not matter, and paths are appended as they are.

use std::fmt;
use std::str::FromStr;

/// The domain of LangSmith's own servers.
const CLOUD: &str = ".smith.langchain.com";

/// The base of all addresses, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// The address of a path, which begins with a slash.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether it is one of LangSmith's own servers, and not one of the user's.
    pub(crate) fn is_cloud(&self) -> bool {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let host = after_scheme.split(['/', ':']).next().unwrap_or_default();
        host.to_ascii_lowercase().ends_with(CLOUD)
    }
}

/// What people put around a value in a file of variables.
pub(crate) fn unquoted(text: &str) -> &str {
    text.trim().trim_matches('"').trim_matches('\'').trim()
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let base = unquoted(text).trim_end_matches('/');
        let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.contains([' ', '?', '#', '@']) => {
                Ok(Self(base.to_owned()))
            }
            _ => Err("it must be an address like `https://eu.api.smith.langchain.com`"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_slashes_at_the_end_do_not_matter() {
        for text in ["https://host/api/v1", "\"https://host/api/v1/\"", " 'https://host/api/v1//' "] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.join("/info"), "https://host/api/v1/info", "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "api.smith.langchain.com",
            "https://",
            "ftp://host",
            "https://user:pass@host",
            "https://h/?a",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_servers_of_langsmith_are_known_in_every_region() {
        let is_cloud = |text: &str| text.parse::<Endpoint>().unwrap().is_cloud();
        assert!(is_cloud("https://api.smith.langchain.com"));
        assert!(is_cloud("https://EU.api.smith.langchain.com:443/"));
        assert!(!is_cloud("https://langsmith.example.org/api.smith.langchain.com"));
        assert!(!is_cloud("http://127.0.0.1:1984"));
    }
}
