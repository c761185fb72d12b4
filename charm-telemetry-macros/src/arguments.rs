//! `#[charm_exporter("name", crate = path)]`: what stands in the parentheses.
//!
//! Rule: one name, at most one path, and every other thing is told what it should have been.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprAssign, ExprLit, Ident, Lit, LitStr, Path, Token, parse_quote};

use crate::names;
use crate::problems::Problems;

/// The arguments of the attribute, valid.
pub(crate) struct Arguments {
    /// The name of the exporter.
    pub(crate) name: LitStr,
    /// Where core is.
    pub(crate) core: Path,
}

impl Arguments {
    /// Parses and validates. `item` is the name of the struct, for the suggestion when there is no name.
    pub(crate) fn parse(tokens: TokenStream, item: &Ident) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let (mut name, mut core) = (None, None);
        for argument in parse_list(tokens, &mut problems) {
            match argument {
                Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => {
                    problems.set_once(&mut name, literal, "an exporter has one name; remove this one");
                }
                Expr::Assign(assign) if assign.left.to_token_stream().to_string() == "crate" => {
                    problems.set_once(&mut core, assign, "`crate` is given twice; remove this one");
                }
                other => refuse(other, &mut problems),
            }
        }
        let core = core.map_or_else(|| Some(default_core()), |assign| core_path(assign, &mut problems));
        if let Some(name) = &name {
            names::check_exporter(name, &mut problems);
        } else if problems.is_empty() {
            // Otherwise what was refused may have been meant as the name: one error is enough.
            problems.add(syn::Error::new(Span::call_site(), nameless(item)));
        }
        problems.none_or(name.zip(core).map(|(name, core)| Self { name, core }))
    }
}

/// Parses arguments that are separated by commas.
pub(crate) fn parse_list(tokens: TokenStream, problems: &mut Problems) -> Vec<Expr> {
    match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(list) => list.into_iter().map(ungroup).collect(),
        Err(error) => {
            problems.add(error);
            Vec::new()
        }
    }
}

/// What a `macro_rules!` passes on, as `$name:literal`, comes in an invisible group.
fn ungroup(argument: Expr) -> Expr {
    match argument {
        Expr::Group(group) => ungroup(*group.expr),
        Expr::Assign(mut assign) => {
            assign.right = Box::new(ungroup(*assign.right));
            Expr::Assign(assign)
        }
        other => other,
    }
}

fn default_core() -> Path {
    parse_quote!(::charm_telemetry_core)
}

fn core_path(assign: ExprAssign, problems: &mut Problems) -> Option<Path> {
    let tokens = assign.right.into_token_stream();
    if let Ok(path) = Path::parse_mod_style.parse2(tokens.clone()) {
        return Some(path);
    }
    let text = syn::parse2::<LitStr>(tokens.clone()).map(|literal| literal.value());
    let example = text.ok().filter(|text| syn::parse_str::<Path>(text).is_ok());
    let example = example.unwrap_or_else(|| "my_sdk::telemetry".to_owned());
    problems.at(tokens, format!("not a path; write it without quotes: `crate = {example}`"));
    None
}

fn refuse(argument: Expr, problems: &mut Problems) {
    match argument {
        Expr::Assign(ExprAssign { left, right, .. }) => {
            let key = left.to_token_stream();
            if key.to_string() == "name" {
                let value = right.to_token_stream();
                problems.at(key, format!("the name stands alone: `#[charm_exporter({value})]`"));
            } else {
                problems.at(
                    &key,
                    format!("unknown argument `{key}`; expected the name of the exporter or `crate = path`"),
                );
            }
        }
        Expr::Path(path) => {
            let name = names::exporter_like(&path.to_token_stream().to_string());
            problems.at(path, format!("the name of an exporter is a string: `\"{name}\"`"));
        }
        other => problems.at(other, "expected the name of the exporter, a string such as `\"my-exporter\"`"),
    }
}

fn nameless(item: &Ident) -> String {
    let name = names::exporter_like(&item.to_string());
    let name = if name.is_empty() { "my-exporter" } else { &name };
    format!("an exporter needs the name that `charm.yaml` will use: `#[charm_exporter(\"{name}\")]`")
}
