//! The values of `SENTRY_*` variables that have rules of their own.
//!
//! Rule: what Sentry would throw away is refused here, with the reason.

use std::fmt;
use std::str::FromStr;

/// Longest release, in bytes.
const MAX_RELEASE_BYTES: usize = 200;

/// Longest name of an environment, in bytes.
const MAX_ENVIRONMENT_BYTES: usize = 64;

/// Names the code that ran: `my-agent@1.2.3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release(String);

/// Names where it ran: `production`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentName(String);

/// In which form a run is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// Each span when it has ended.
    #[default]
    Stream,
    /// A transaction with all spans when the run has ended.
    Static,
}

impl Release {
    /// The release of an agent of this name and version: what may not be in a release becomes `-`.
    pub fn of_agent(name: &str, version: Option<&str>) -> Option<Self> {
        let text = version.map(|version| format!("{name}@{version}"))?;
        let tidy = |c: char| if is_forbidden(c) { '-' } else { c };
        text.chars().map(tidy).collect::<String>().parse().ok()
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EnvironmentName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '/' | '\\')
}

impl FromStr for Release {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() || text == "." || text == ".." || text.contains(is_forbidden) {
            return Err("a release must not be `.` or `..` and has no `/`, no `\\` and no line break");
        }
        if text.len() > MAX_RELEASE_BYTES {
            return Err("a release has at most 200 bytes");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for EnvironmentName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("none") || text.contains(is_forbidden) {
            return Err("an environment must not be `None` and has no `/`, no `\\` and no line break");
        }
        if text.len() > MAX_ENVIRONMENT_BYTES {
            return Err("the name of an environment has at most 64 bytes");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Lifecycle {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "stream" => Ok(Self::Stream),
            "static" => Ok(Self::Static),
            _ => Err("it must be `stream` (spans as they end) or `static` (one transaction for each run)"),
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Static => "static",
        })
    }
}
