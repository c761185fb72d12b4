//! Snapshots of what is written, so that a review sees it.
//!
//! Rule: a snapshot is for reading; that the code works is shown by the tests beside it.

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand::charm_exporter;

fn written(arguments: TokenStream, item: TokenStream) -> String {
    let file = syn::parse2(charm_exporter(arguments, item)).expect("the expansion is a list of items");
    prettyplease::unparse(&file)
}

#[test]
fn an_exporter_with_every_kind_of_field() {
    insta::assert_snapshot!(written(
        quote!("webhook"),
        quote! {
            /// Posts every tool call to a web hook.
            ///
            /// As JSON.
            #[derive(Debug)]
            pub struct Webhook {
                /// Where to post.
                #[env("WEBHOOK_URL")]
                url: String,
                #[env("WEBHOOK_TOKEN", "OLD_WEBHOOK_TOKEN")]
                token: Option<Secret>,
                #[cfg(unix)]
                #[env("WEBHOOK_TIMEOUT", default = "5s")]
                pub timeout: Duration,
                #[serde(skip)]
                calls: u64,
            }
        }
    ));
}

#[test]
fn a_unit_struct() {
    insta::assert_snapshot!(written(
        quote!("unit"),
        quote!(
            struct Unit;
        )
    ));
}

#[test]
fn a_tuple_struct() {
    insta::assert_snapshot!(written(
        quote!("tuple"),
        quote!(
            struct Tuple(#[env("A")] String, u64);
        )
    ));
}

#[test]
fn a_renamed_core_is_the_only_path_to_core() {
    let text = written(
        quote!("renamed", crate = crate::sdk::telemetry),
        quote!(
            struct Renamed(#[env("A")] String, u64);
        ),
    );
    assert!(text.contains("crate::sdk::telemetry::__private"), "{text}");
    assert!(!text.contains("charm_telemetry_core"), "{text}");
}

#[test]
fn a_struct_that_was_refused_stays_without_what_the_macro_reads() {
    insta::assert_snapshot!(written(
        quote!("Bad Name"),
        quote! {
            /// Still here.
            #[env("A")]
            struct Refused {
                #[env]
                /// Still here as well.
                url: &str,
                #[cfg_attr(unix, env("B"))]
                #[cfg(unix)]
                other: u8,
            }
        }
    ));
}

#[test]
fn an_item_that_is_no_struct_stays_as_it_is() {
    insta::assert_snapshot!(written(
        quote!("name"),
        quote!(
            enum Enum {
                A,
            }
        )
    ));
}

#[test]
fn tokens_that_are_no_item_stay_after_the_error() {
    let tokens = charm_exporter(quote!("name"), quote!(struct));
    assert!(tokens.to_string().contains("compile_error"), "{tokens}");
    assert!(tokens.to_string().ends_with("struct"), "{tokens}");
}
