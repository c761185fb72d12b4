//! What a search found, as LangSmith shows documents: each with `page_content`, `type` and `metadata`.
//! Source: <https://docs.langchain.com/langsmith/log-retriever-trace>.
//!
//! Rule: what a document has stays as it is; only what LangSmith looks for and does not find is put before it.

use std::fmt::Write as _;

use charm_telemetry_core::RawValue;
use serde::{Deserialize, Deserializer};

/// A list in which every document is one to LangSmith; `None` if this is no list.
pub(crate) fn documents(json: &str) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let mut list = String::with_capacity(json.len() + 40 * items.len());
    for (at, item) in items.into_iter().enumerate() {
        list.push(if at == 0 { '[' } else { ',' });
        push_document(&mut list, item.get());
    }
    list.push_str(if list.is_empty() { "[]" } else { "]" });
    Some(list)
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "page_content")]
    _page_content: &'a RawValue,
    #[serde(borrow, rename = "type", default, deserialize_with = "even_null")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    metadata: Option<&'a RawValue>,
}

/// A null is there: with a second member of its name, every reader would take the one it likes.
fn even_null<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(json).map(Some)
}

fn push_document(list: &mut String, item: &str) {
    if item.starts_with('"') {
        // Writing to a text does not fail.
        let _ = write!(list, r#"{{"page_content":{item},"type":"Document","metadata":{{}}}}"#);
        return;
    }
    // To serde, a list may be a struct as well.
    let document = serde_json::from_str::<Document<'_>>(item).ok().filter(|_| item.starts_with('{'));
    let Some(document) = document else { return list.push_str(item) };
    list.push('{');
    if document.kind.is_none() {
        list.push_str(r#""type":"Document","#);
    }
    if document.metadata.is_none() {
        list.push_str(r#""metadata":{},"#);
    }
    list.push_str(&item[1..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_gets_what_is_missing_and_keeps_the_rest() {
        for (found, expected) in [
            (r#"["deep"]"#, r#"[{"page_content":"deep","type":"Document","metadata":{}}]"#),
            (r#"[{"page_content":"a"}]"#, r#"[{"type":"Document","metadata":{},"page_content":"a"}]"#),
            (
                r#"[ {"page_content": "a", "metadata": {"n": 1}, "id": 7} , "b" ]"#,
                r#"[{"type":"Document","page_content": "a", "metadata": {"n": 1}, "id": 7},{"page_content":"b","type":"Document","metadata":{}}]"#,
            ),
            (
                r#"[{"page_content":"a","type":"Document","metadata":{}}]"#,
                r#"[{"page_content":"a","type":"Document","metadata":{}}]"#,
            ),
            (
                r#"[{"page_content":"a","metadata":null}]"#,
                r#"[{"type":"Document","page_content":"a","metadata":null}]"#,
            ),
            // Nothing says that these are documents.
            (r#"[{"text":"a"},[1],null,2]"#, r#"[{"text":"a"},[1],null,2]"#),
            ("[]", "[]"),
        ] {
            assert_eq!(documents(found).as_deref(), Some(expected), "{found}");
            assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
        }
        assert_eq!(documents(r#"{"page_content":"a"}"#), None);
    }
}
