//! What a problem of a manifest says.
//! One rule: first what is wrong in the user's own words, then the way out.

use crate::suggest;

use super::node::{Data, Node, Position, shortened};
use super::schema::{Field, Kind};

pub(crate) const TELEMETRY_MAPPING: &str = "exporters are given by name alone, as in `telemetry: [otlp]`; their options come from environment variables";

pub(crate) fn unfit(node: &Node, wanted: &str) -> String {
    let found = node.describe();
    match &node.data {
        Data::Null => format!("expected {wanted}, found nothing; fill it in or remove the key"),
        Data::Str(text) if wanted.starts_with("a list") => {
            format!("expected {wanted}, found {found}; put it in brackets: `[{}]`", shortened(text))
        }
        _ => format!("expected {wanted}, found {found}"),
    }
}

pub(crate) fn unquoted(node: &Node, wanted: &str) -> String {
    format!(
        "expected {wanted}, found {}; put it in quotes: `\"{}\"`",
        node.describe(),
        shortened(&node.source)
    )
}

pub(crate) fn object(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    format!("a mapping with {}", names.join(", "))
}

pub(crate) fn int(least: Option<i128>) -> String {
    least.map_or_else(|| "a whole number".into(), |least| format!("a whole number of at least {least}"))
}

pub(crate) fn one_of(choices: &[&'static str], node: &Node) -> String {
    let list: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    let list = format!("one of {}", list.join(", "));
    match node.as_str().and_then(|text| suggest(text, choices.iter().copied())) {
        Some(near) => format!("`{near}` (or another {list})"),
        None => list,
    }
}

pub(crate) fn missing(field: &Field) -> String {
    let wanted = match field.kind {
        Kind::Matching(pattern) => pattern.wanted().to_owned(),
        Kind::Object(fields) => object(fields),
        Kind::Free => "a mapping, `{}` at the least".into(),
        _ => "a text".into(),
    };
    format!("`{}` is required; add it: {wanted}", field.name)
}

pub(crate) fn entry_point(kind: &str) -> String {
    let example = match kind {
        "node" => "node main.js",
        "command" => "./agent --verbose",
        _ => "main:agent",
    };
    format!("an adapter of type `{}` needs an `entry_point`, such as `{example}`", shortened(kind))
}

pub(crate) fn unknown_key<'a>(key: &str, near: Option<&str>, known: impl Iterator<Item = &'a str>) -> String {
    let key = shortened(key);
    if let Some(near) = near {
        return format!("unknown key `{key}` is ignored; did you mean `{near}`?");
    }
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    format!("unknown key `{key}` is ignored; known here: {}", known.join(", "))
}

pub(crate) fn repeated(key: &str, first: Position) -> String {
    format!("`{key}` is already set on line {}; only the last one counts, so remove one", first.line)
}

pub(crate) fn top_key(key: &Node) -> String {
    format!("a key is a text, not {}; put it in quotes or remove it", key.describe())
}

pub(crate) fn free_key(key: &Node) -> String {
    format!("a key is a text here, not {}; put it in quotes", key.describe())
}

pub(crate) fn ignored_key(key: &Node) -> String {
    format!("a key is a text, not {}; this one is ignored", key.describe())
}
