//! The struct that the attribute stands on.
//!
//! Rule: what reaches `expand` is valid; what is not valid is described here, at the token to change.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, GenericParam, Generics, Ident, Item, ItemStruct};

use crate::arguments::Arguments;
use crate::fields::ExporterField;
use crate::problems::Problems;
use crate::{documentation, fields};

/// An exporter, valid.
pub(crate) struct Exporter {
    /// What stands in the attribute.
    pub(crate) arguments: Arguments,
    /// The name of the struct.
    pub(crate) ident: Ident,
    /// The `#[cfg(..)]`s that the struct stands under.
    pub(crate) cfgs: Vec<Attribute>,
    /// Whether the struct or a field is deprecated, or is allowed to name what is.
    pub(crate) speaks_of_deprecated: bool,
    /// The doc comment of the struct.
    pub(crate) doc: String,
    /// Its fields.
    pub(crate) fields: Vec<ExporterField>,
}

impl Exporter {
    /// Parses and validates the arguments, the struct and its fields, each in any case, so that all problems are shown.
    pub(crate) fn parse(arguments: TokenStream, item: &Item) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let Item::Struct(item) = item else {
            refuse_item(item, &mut problems);
            return Err(problems);
        };
        let arguments = Arguments::parse(arguments, &item.ident).map_err(|of_them| problems.merge(of_them));
        refuse_attributes(item, &mut problems);
        refuse_generics(&item.generics, &mut problems);
        let fields = fields::parse(&item.fields, &mut problems);
        problems.none_or(arguments.ok().map(|arguments| Self {
            arguments,
            ident: item.ident.clone(),
            cfgs: item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect(),
            speaks_of_deprecated: speaks_of_deprecated(item),
            doc: documentation::text_of(&item.attrs),
            fields,
        }))
    }
}

/// Whether this is a second `#[charm_exporter(..)]`, under whatever path.
pub(crate) fn is_charm_exporter(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "charm_exporter")
}

fn speaks_of_deprecated(item: &ItemStruct) -> bool {
    let of_fields = item.fields.iter().flat_map(|field| &field.attrs);
    let mut attributes =
        item.attrs.iter().chain(of_fields).filter(|attribute| !attribute.path().is_ident("doc"));
    attributes.any(|attribute| attribute.meta.to_token_stream().to_string().contains("deprecated"))
}

fn refuse_attributes(item: &ItemStruct, problems: &mut Problems) {
    for attribute in &item.attrs {
        if fields::is_env(attribute) {
            problems.at(attribute, "`#[env(..)]` belongs on a field of the struct");
        } else if is_charm_exporter(attribute) {
            problems.at(attribute, "an exporter has one `#[charm_exporter(..)]`; remove this one");
        }
    }
}

fn refuse_generics(generics: &Generics, problems: &mut Problems) {
    for parameter in &generics.params {
        let message = match parameter {
            GenericParam::Lifetime(_) => {
                "an exporter borrows nothing, as it lives as long as the program; remove the lifetime and own the values"
            }
            GenericParam::Type(_) => {
                "an exporter is one concrete type, as `charm.yaml` names it; remove the type parameter"
            }
            GenericParam::Const(_) => {
                "an exporter is one concrete type, as `charm.yaml` names it; remove the const parameter"
            }
        };
        problems.at(parameter, message);
    }
    if let (true, Some(clause)) = (generics.params.is_empty(), &generics.where_clause) {
        problems.at(clause, "an exporter has no parameters to bound; remove the `where` clause");
    }
}

fn refuse_item(item: &Item, problems: &mut Problems) {
    let (tokens, found) = keyword(item);
    problems.at(tokens, format!("`#[charm_exporter]` belongs on a struct; found {found}"));
}

fn keyword(item: &Item) -> (TokenStream, &'static str) {
    match item {
        Item::Enum(item) => (item.enum_token.to_token_stream(), "an enum"),
        Item::Union(item) => (item.union_token.to_token_stream(), "a union"),
        Item::Fn(item) => (item.sig.fn_token.to_token_stream(), "a function"),
        Item::Trait(item) => (item.trait_token.to_token_stream(), "a trait"),
        Item::Impl(item) => (item.impl_token.to_token_stream(), "an impl"),
        Item::Mod(item) => (item.mod_token.to_token_stream(), "a module"),
        Item::Type(item) => (item.type_token.to_token_stream(), "a type alias"),
        Item::Const(item) => (item.const_token.to_token_stream(), "a constant"),
        Item::Static(item) => (item.static_token.to_token_stream(), "a static"),
        Item::Use(item) => (item.use_token.to_token_stream(), "a `use`"),
        other => (other.to_token_stream(), "another item"),
    }
}
