//! Which names an exporter and a variable may have.
//!
//! Rule: a name that is refused comes with one that is not.

use syn::LitStr;

use crate::problems::Problems;

/// Checks the name of an exporter: `[a-z][a-z0-9]*(-[a-z0-9]+)*`.
pub(crate) fn check_exporter(name: &LitStr, problems: &mut Problems) {
    let text = name.value();
    if let Some(rule) = broken_exporter_rule(&text) {
        problems.at(name, refusal(("exporter name", "my-exporter"), &text, rule, &exporter_like(&text)));
    }
}

/// Checks the name of a variable: `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn check_variable(name: &LitStr, problems: &mut Problems) {
    let text = name.value();
    if let Some(rule) = broken_variable_rule(&text) {
        problems.at(name, refusal(("variable name", "MY_URL"), &text, rule, &variable_like(&text)));
    }
}

/// A name for an exporter, made of any text: `DataDog` gives `data-dog`. Empty if no letter is in it.
pub(crate) fn exporter_like(text: &str) -> String {
    let mut name = String::new();
    let mut previous = ' ';
    for letter in text.chars() {
        if letter.is_ascii_uppercase() && previous.is_ascii_lowercase() || !letter.is_ascii_alphanumeric() {
            name.push('-');
        }
        name.extend(letter.is_ascii_alphanumeric().then_some(letter.to_ascii_lowercase()));
        previous = letter;
    }
    let parts: Vec<_> = name.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-").trim_start_matches(|letter: char| !letter.is_ascii_lowercase()).to_owned()
}

fn variable_like(text: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = text.trim().chars().map(letter).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn broken_exporter_rule(text: &str) -> Option<&'static str> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() {
        Some("must not be empty")
    } else if !text.bytes().all(is_known) {
        Some("must be lower-case letters, digits and `-`")
    } else if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        Some("must start with a letter")
    } else if text.ends_with('-') {
        Some("must not end with `-`")
    } else if text.contains("--") {
        Some("must not have two `-` in a row")
    } else {
        None
    }
}

fn broken_variable_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("must not be empty")
    } else if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Some("must be letters, digits and `_`")
    } else if text.starts_with(|first: char| first.is_ascii_digit()) {
        Some("must not start with a digit")
    } else {
        None
    }
}

fn refusal((what, example): (&str, &str), text: &str, rule: &str, instead: &str) -> String {
    match (text, instead) {
        ("", _) => format!("{what} {rule}; write for example `{example}`"),
        (_, "") => format!("{what} `{text}` {rule}"),
        _ => format!("{what} `{text}` {rule}; try `{instead}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suggestion_for_an_exporter_would_be_accepted() {
        for text in ["Data Dog", "DataDog", "data_dog", "-a-", "a--b", "3scale", "ÄB", "web.hook", "a1B2"] {
            let name = exporter_like(text);
            assert_eq!(broken_exporter_rule(&name), None, "{text} gave {name}");
        }
        assert_eq!(exporter_like("Data Dog"), "data-dog");
        assert_eq!(exporter_like("WebHookExporter"), "web-hook-exporter");
        assert_eq!(exporter_like("OTLP"), "otlp");
        assert_eq!(exporter_like("123"), "");
    }

    #[test]
    fn every_suggestion_for_a_variable_would_be_accepted() {
        for text in ["MY-VAR", "1ST", "a b", " A ", "A=B", "é"] {
            let name = variable_like(text);
            assert_eq!(broken_variable_rule(&name), None, "{text} gave {name}");
        }
        assert_eq!(variable_like("MY-VAR"), "MY_VAR");
    }
}
