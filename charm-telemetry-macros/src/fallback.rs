//! What is written when something was wrong: the errors, and the item as its author meant it.
//!
//! Rule: no second error follows from the first. The item stays, so that everything that names it still compiles.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Item, ItemStruct, Lifetime, Type};

use crate::exporter::is_charm_exporter;
use crate::fields::{conditional_env, is_env};
use crate::problems::Problems;

/// The errors, then the item without what this macro reads and without what cannot compile.
pub(crate) fn expand(problems: &Problems, mut item: Item) -> TokenStream {
    if let Item::Struct(item) = &mut item {
        item.attrs.retain(|attribute| !is_env(attribute) && !is_charm_exporter(attribute));
        lend_for_ever(item);
        strip(item, |attribute| is_env(attribute) || conditional_env(attribute).is_some());
    }
    let errors = problems.to_compile_errors();
    quote! { #errors #item }
}

/// The error, then the tokens as they are.
pub(crate) fn expand_unparsed(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote! { #error #item }
}

/// Removes such attributes from the fields.
pub(crate) fn strip(item: &mut ItemStruct, such: impl Fn(&Attribute) -> bool) {
    for field in &mut item.fields {
        field.attrs.retain(|attribute| !such(attribute));
    }
}

/// `&str` was refused already; without a lifetime the compiler would refuse it again.
fn lend_for_ever(item: &mut ItemStruct) {
    for field in &mut item.fields {
        if let Type::Reference(reference) = &mut field.ty {
            reference.lifetime.get_or_insert_with(|| Lifetime::new("'static", Span::call_site()));
        }
    }
}
