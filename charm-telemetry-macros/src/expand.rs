//! The code that is written for a valid exporter.
//!
//! Rule: the struct is untouched but for its `#[env(..)]`s; the rest stands in a `const _`, names everything by its full
//! path, and is quiet under every lint that the author denies.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Item, Path, Type};

use crate::exporter::Exporter;
use crate::fallback;
use crate::fields::{ExporterField, Variable, is_env};

/// The whole macro, on tokens that need no compiler.
#[expect(clippy::needless_pass_by_value, reason = "the signature of an attribute macro")]
pub(crate) fn charm_exporter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(parsed) => on_item(arguments, parsed),
        Err(error) => fallback::expand_unparsed(&error, &item),
    }
}

fn on_item(arguments: TokenStream, item: Item) -> TokenStream {
    match Exporter::parse(arguments, &item) {
        Ok(exporter) => {
            let written = expand(&exporter);
            let item = stripped(item);
            quote! { #item #written }
        }
        Err(problems) => fallback::expand(&problems, item),
    }
}

fn stripped(mut item: Item) -> Item {
    if let Item::Struct(item) = &mut item {
        fallback::strip(item, is_env);
    }
    item
}

fn expand(exporter: &Exporter) -> TokenStream {
    let Exporter { arguments, ident, cfgs, .. } = exporter;
    let core = &arguments.core;
    // Only then, as a crate that forbids a lint cannot have it allowed.
    let allowed = exporter
        .speaks_of_deprecated
        .then(|| quote!(#[allow(deprecated, reason = "the exporter itself speaks of something deprecated")]));
    let descriptor = descriptor(exporter);
    let construct = construct(exporter);
    let checks = exporter.fields.iter().filter_map(|field| secret_check(core, field));
    quote! {
        #(#cfgs)*
        #allowed
        const _: () = {
            use #core::__private::{PlainField as _, PlainValue as _, RequiredField as _};

            #(#checks)*

            #[automatically_derived]
            impl #core::__private::Construct for #ident {
                const DESCRIPTOR: &'static #core::__private::ExporterDescriptor = #descriptor;

                #construct
            }

            #[#core::__private::linkme::distributed_slice(#core::__private::EXPORTERS)]
            #[linkme(crate = #core::__private::linkme)]
            static EXPORTER: #core::__private::Registration = #core::__private::registration::<#ident>();
        };
    }
}

fn descriptor(exporter: &Exporter) -> TokenStream {
    let Exporter { arguments, ident, doc, fields, .. } = exporter;
    let (core, name) = (&arguments.core, &arguments.name);
    let type_name = syn::ext::IdentExt::unraw(ident).to_string();
    let variables = fields.iter().filter_map(|field| {
        field.variable.as_ref().map(|variable| variable_descriptor(core, field, variable))
    });
    quote! {
        &#core::__private::ExporterDescriptor {
            name: #name,
            type_name: ::core::concat!(::core::module_path!(), "::", #type_name),
            crate_name: ::core::env!("CARGO_PKG_NAME"),
            crate_version: ::core::env!("CARGO_PKG_VERSION"),
            doc: #doc,
            variables: &[#(#variables),*],
        }
    }
}

fn variable_descriptor(core: &Path, field: &ExporterField, variable: &Variable) -> TokenStream {
    let ExporterField { ty, cfgs, .. } = field;
    let Variable { names, doc, default } = variable;
    let (default, required) = match default {
        Some(text) => (quote!(::core::option::Option::Some(#text)), quote!(false)),
        None => (quote!(::core::option::Option::None), quote!(#core::__private::Field::<#ty>::REQUIRED)),
    };
    quote! {
        #(#cfgs)*
        #core::__private::VariableDescriptor {
            names: &[#(#names),*],
            doc: #doc,
            default: #default,
            required: #required,
            secret: #core::__private::Field::<#ty>::SECRET,
        }
    }
}

/// A secret has no default. The compiler knows which type is a secret, so it is asked, at the place of the default.
fn secret_check(core: &Path, field: &ExporterField) -> Option<TokenStream> {
    let ExporterField { ty, cfgs, variable, .. } = field;
    let text = variable.as_ref()?.default.as_ref()?;
    let is_secret = quote!(#core::__private::Field::<#ty>::SECRET);
    let message =
        "a secret has no default: everyone could read it in the source and in the list of exporters";
    let check = quote_spanned!(text.span()=> const _: () = ::core::assert!(!#is_secret, #message););
    Some(quote!(#(#cfgs)* #check))
}

fn construct(exporter: &Exporter) -> TokenStream {
    let core = &exporter.arguments.core;
    let fields = &exporter.fields;
    let reads = fields.iter().filter(|field| field.variable.is_some()).map(|field| read(core, field));
    let values = fields.iter().map(|field| value(core, field));
    quote! {
        fn construct(
            fields: &mut #core::__private::Fields<'_, '_>,
        ) -> ::core::option::Option<Self> {
            #(#reads)*
            ::core::option::Option::Some(Self { #(#values),* })
        }
    }
}

/// Every field is read before any is used, so that all problems are found.
///
/// `shape.value()` spans the author's type: it is what the compiler underlines when that type cannot be read.
fn read(core: &Path, field: &ExporterField) -> TokenStream {
    let ExporterField { ty, cfgs, local, .. } = field;
    let (start, end) = ends_of(ty);
    let shape = quote_spanned! { start=> shape };
    let value = quote_spanned! { end=> .value() };
    quote! {
        #(#cfgs)*
        let #local = {
            let #shape = #core::__private::Field::<#ty>::new().shape();
            #shape.read(fields, #shape #value.parser())
        };
    }
}

fn value(core: &Path, field: &ExporterField) -> TokenStream {
    let ExporterField { member, ty, cfgs, local, variable } = field;
    let default = quote!(#core::__private::default_field::<#ty>());
    let value = if variable.is_some() { quote!(#local?) } else { default };
    quote! { #(#cfgs)* #member: #value }
}

/// Where the type begins and where it ends.
fn ends_of(ty: &Type) -> (Span, Span) {
    let mut spans = ty.to_token_stream().into_iter().map(|token| token.span());
    let start = spans.next().unwrap_or_else(Span::call_site);
    (start, spans.last().unwrap_or(start))
}
