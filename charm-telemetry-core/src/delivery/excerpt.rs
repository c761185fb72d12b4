//! The beginning of an answer, fit for a log.
//!
//! Rule: one line, short, and without any secret of the request that it answers.

use super::request::Request;
use super::response::Response;

/// What the receiver said, or the least of it that helps.
pub(super) fn excerpt(response: &Response, request: &Request) -> String {
    const SHOWN: usize = 200;
    let mut text = String::from_utf8_lossy(&response.body).into_owned();
    for secret in request.secrets().filter(|secret| !secret.expose().is_empty()) {
        text = text.replace(secret.expose(), "[secret]");
    }
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.is_empty() {
        return "(no text)".to_owned();
    }
    let shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() { format!("\"{shown}...\"") } else { format!("\"{shown}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn an_echoed_secret_is_blotted_out_even_where_the_text_is_cut() {
        let request = Request::post("http://x").secret_header("dd-api-key", Secret::new("abcdef"));
        let response =
            Response::new(403).with_body(format!("{} key abcdef is bad\n\tabcdef", "x ".repeat(90)));
        let text = excerpt(&response, &request);
        assert!(!text.contains("abc"), "{text}");
        assert!(text.contains("key [secret]"), "{text}");
    }
}
