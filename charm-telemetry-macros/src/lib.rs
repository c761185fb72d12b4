//! The `#[charm_exporter]` attribute. Its documentation is at `charm_telemetry_core::charm_exporter`, where its examples
//! compile.
//!
//! Rule: one road, one file for each stage: `arguments` and `fields` parse and validate, `expand` writes the code,
//! `fallback` writes what stands in for it when something was wrong.

mod arguments;
mod documentation;
mod expand;
mod exporter;
mod fallback;
mod fields;
mod names;
mod problems;

#[expect(missing_docs, reason = "documented where core re-exports it, so that its examples compile")]
#[proc_macro_attribute]
pub fn charm_exporter(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand::charm_exporter(arguments.into(), item.into()).into()
}

#[cfg(test)]
mod tests;
