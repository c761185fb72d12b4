//! What the server asked us not to send, and until when.
//!
//! Rule: the longer of two limits counts, and a limit that names only what we do not know limits nothing.
//!
//! `X-Sentry-Rate-Limits: <seconds>:<category;category..>:<scope>:<reason>:<namespaces>, ..` may come with any answer, a
//! success too, and wins over `Retry-After`. Without it a 429 limits everything: for `Retry-After`, else for a minute.

use std::time::{Duration, Instant, SystemTime};

use charm_telemetry_core::delivery::{Response, parse_retry_after};

/// What a 429 without any time means.
const BARE_429: Duration = Duration::from_mins(1);

/// No limit is believed for longer, whatever number came.
const MOST: Duration = Duration::from_hours(31 * 24);

/// The kinds of data that we send, as Sentry counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Category {
    Error,
    Transaction,
    Span,
    /// Client reports: limited only with everything else.
    Internal,
}

/// Until when what may not be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimits {
    until: [Option<Instant>; Category::ALL.len()],
}

impl Category {
    const ALL: [Self; 4] = [Self::Error, Self::Transaction, Self::Span, Self::Internal];

    /// The name in client reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Transaction => "transaction",
            Self::Span => "span",
            Self::Internal => "internal",
        }
    }

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl RateLimits {
    /// Whether nothing of this kind may be sent.
    pub(crate) fn forbid(&self, category: Category, now: Instant) -> bool {
        self.until[category as usize].is_some_and(|until| now < until)
    }

    /// Learns from an answer. `wall` is for dates in `Retry-After`.
    pub(crate) fn learn(&mut self, response: &Response, now: Instant, wall: SystemTime) {
        let mut understood = false;
        for header in response.header_values("x-sentry-rate-limits") {
            for group in header.split(',') {
                understood |= self.learn_group(group, now).is_some();
            }
        }
        if !understood && response.status == 429 {
            let wait = response.header("retry-after").and_then(|value| parse_retry_after(value, wall));
            self.limit_all(wait.unwrap_or(BARE_429), now);
        }
    }

    /// `None`: it cannot be read.
    fn learn_group(&mut self, group: &str, now: Instant) -> Option<()> {
        let group: String = group.split_whitespace().collect();
        let mut fields = group.split(':');
        let seconds: f64 = fields.next()?.parse().ok()?;
        let wait = Duration::try_from_secs_f64(seconds).ok()?;
        let categories = fields.next().unwrap_or_default();
        if categories.is_empty() {
            self.limit_all(wait, now);
        }
        for category in categories.split(';') {
            let known = Category::named(category).filter(|known| *known != Category::Internal);
            if let Some(known) = known {
                self.limit(known, wait, now);
            }
        }
        Some(())
    }

    fn limit_all(&mut self, wait: Duration, now: Instant) {
        for category in Category::ALL {
            self.limit(category, wait, now);
        }
    }

    fn limit(&mut self, category: Category, wait: Duration, now: Instant) {
        let until = now + wait.min(MOST);
        let known = &mut self.until[category as usize];
        *known = Some(known.map_or(until, |known| known.max(until)));
    }
}
