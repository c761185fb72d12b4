//! Doc comments as text for people who run the exporter.
//!
//! Rule: the author's words, without the marks of Rust: lines joined, outer blanks trimmed.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The text of the doc comments among these attributes. `#[doc = include_str!(..)]` is left out: the macro cannot read it.
pub(crate) fn text_of(attributes: &[Attribute]) -> String {
    let lines: Vec<_> = attributes.iter().filter_map(line_of).collect();
    lines.join("\n").trim().to_owned()
}

fn line_of(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = &meta.value else { return None };
    if !meta.path.is_ident("doc") {
        return None;
    }
    let text = literal.value();
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    Some(lines.join("\n"))
}
