//! Booleans as people write them: `true`, `1`, `yes`, `on` and their opposites, in any case.
//!
//! Rule: anything else is refused; a switch that someone tried to turn off is never on.

/// Reads a boolean.
pub(super) fn parse(text: &str) -> Result<bool, String> {
    let text = text.trim();
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(&["true", "1", "yes", "on"]) {
        Ok(true)
    } else if is_one_of(&["false", "0", "no", "off"]) {
        Ok(false)
    } else {
        Err("not a boolean; write `true` or `false`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_word_is_a_boolean_in_any_case() {
        for yes in ["true", "TRUE", "True", "1", "yes", "Yes", "on", " ON "] {
            assert_eq!(parse(yes), Ok(true), "{yes}");
        }
        for no in ["false", "FALSE", "0", "no", "NO", "off", "Off"] {
            assert_eq!(parse(no), Ok(false), "{no}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for neither in ["", "2", "-1", "t", "maybe", "truee", "disabled"] {
            assert!(parse(neither).is_err(), "{neither}");
        }
    }
}
