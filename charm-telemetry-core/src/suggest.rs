//! The nearest known word to a misspelt one.
//! One rule: no suggestion is better than a far-fetched one.

/// The known word that `unknown` most likely means, if one is close enough.
///
/// Close is one edit for every three letters of the longer word, and at least one; case and the choice between
/// `-` and `_` count for nothing. Of two that are equally close the first in alphabetical order wins.
///
/// ```
/// use charm_telemetry_core::suggest;
///
/// let known = ["datadog", "langsmith", "otlp", "sentry"];
/// assert_eq!(suggest("datadgo", known), Some("datadog"));
/// assert_eq!(suggest("prometheus", known), None);
/// ```
pub fn suggest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let unknown = folded(unknown);
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&unknown, &folded(word)), word))
        .filter(|(distance, word)| *distance <= allowed(&unknown, word))
        .min()
        .map(|(_, word)| word)
}

/// Long enough for any real key; a whole paragraph as a key must not cost a quadratic comparison.
const LONGEST_COMPARED: usize = 64;

fn folded(word: &str) -> String {
    word.chars().take(LONGEST_COMPARED).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

fn allowed(unknown: &str, word: &str) -> usize {
    (unknown.chars().count().max(word.chars().count()) / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[track_caller]
    fn check(unknown: &str, expected: Option<&str>) {
        assert_eq!(suggest(unknown, ["telemetry", "adapter", "mode", "memory", "custom_image"]), expected);
    }

    #[test]
    fn a_slip_of_the_fingers_is_understood() {
        check("telemetery", Some("telemetry"));
        check("adaptor", Some("adapter"));
        check("custom-image", Some("custom_image"));
        check("CustomImage", Some("custom_image"));
        check("Mode", Some("mode"));
    }

    #[test]
    fn another_word_altogether_is_not_guessed_at() {
        check("logging", None);
        check("", None);
        check(&"telemetry".repeat(100_000), None);
    }
}
