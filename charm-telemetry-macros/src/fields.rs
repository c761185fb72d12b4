//! The fields of the struct and their `#[env(..)]` attributes.
//!
//! Rule: a field is read from the variables that it names, or it is `Default`; nothing is guessed from its name.

use std::collections::HashMap;

use quote::{ToTokens, format_ident};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, ExprAssign, ExprLit, Field, Fields, Ident, Lit, LitStr, Member, Meta, Token, Type,
};

use crate::arguments::parse_list;
use crate::problems::Problems;
use crate::{documentation, names};

/// A field, valid.
pub(crate) struct ExporterField {
    /// Its name or number in the struct.
    pub(crate) member: Member,
    /// The local variable that holds its value before the struct is built.
    pub(crate) local: Ident,
    /// Its type.
    pub(crate) ty: Type,
    /// The `#[cfg(..)]`s that it stands under.
    pub(crate) cfgs: Vec<Attribute>,
    /// Where it is read from; `None` for `Default`.
    pub(crate) variable: Option<Variable>,
}

/// `#[env("NAME", "ALIAS", default = "value")]`, valid.
pub(crate) struct Variable {
    /// The names, at least one.
    pub(crate) names: Vec<LitStr>,
    /// What is used if none is set.
    pub(crate) default: Option<LitStr>,
    /// The doc comment of the field.
    pub(crate) doc: String,
}

/// Parses and validates every field, together.
pub(crate) fn parse(fields: &Fields, problems: &mut Problems) -> Vec<ExporterField> {
    let numbered = fields.iter().zip(fields.members()).enumerate();
    let parsed: Vec<_> = numbered
        .map(|(index, (field, member))| ExporterField::parse(index, field, member, problems))
        .collect();
    refuse_shared_variables(&parsed, problems);
    parsed
}

/// Whether this is the attribute that this macro reads on fields.
pub(crate) fn is_env(attribute: &Attribute) -> bool {
    attribute.path().is_ident("env")
}

/// The `env(..)` in `#[cfg_attr(.., env(..))]`, which the compiler has not resolved yet when this macro runs.
pub(crate) fn conditional_env(attribute: &Attribute) -> Option<Meta> {
    let list = attribute.meta.require_list().ok().filter(|list| list.path.is_ident("cfg_attr"))?;
    let metas = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    metas.into_iter().skip(1).find(|meta| meta.path().is_ident("env"))
}

impl ExporterField {
    fn parse(index: usize, field: &Field, member: Member, problems: &mut Problems) -> Self {
        refuse_conditional_env(&field.attrs, problems);
        let variable = Variable::parse(field).unwrap_or_else(|of_it| {
            problems.merge(of_it);
            None
        });
        if let (Some(_), Type::Reference(reference)) = (&variable, &field.ty) {
            problems.at(
                reference,
                "a field that is read from the environment owns its value; for `&str` write `String`",
            );
        }
        Self {
            member,
            local: format_ident!("__field_{index}"),
            ty: field.ty.clone(),
            cfgs: field.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect(),
            variable,
        }
    }
}

impl Variable {
    fn parse(field: &Field) -> Result<Option<Self>, Problems> {
        let mut attributes = field.attrs.iter().filter(|attribute| is_env(attribute));
        let Some(first) = attributes.next() else { return Ok(None) };
        let mut problems = Problems::default();
        for other in attributes {
            problems.at(other, "a field has one `#[env(..)]`; add these names to the first, as aliases");
        }
        let mut variable =
            Self { names: Vec::new(), default: None, doc: documentation::text_of(&field.attrs) };
        let arguments = first.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
        for argument in parse_list(arguments, &mut problems) {
            variable.take(argument, &mut problems);
        }
        if variable.names.is_empty() && problems.is_empty() {
            problems.at(&first.meta, unnamed(first));
        }
        problems.none_or(Some(Some(variable)))
    }

    fn take(&mut self, argument: Expr, problems: &mut Problems) {
        match argument {
            Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => self.take_name(name, problems),
            Expr::Assign(assign) if assign.left.to_token_stream().to_string() == "default" => {
                self.take_default(&assign, problems);
            }
            Expr::Assign(ExprAssign { left, .. }) => {
                let key = left.to_token_stream();
                problems.at(
                    &key,
                    format!("unknown argument `{key}`; expected names of variables or `default = \"..\"`"),
                );
            }
            Expr::Path(path) => {
                let name = path.to_token_stream();
                problems.at(&name, format!("the name of a variable is a string: `\"{name}\"`"));
            }
            other => problems.at(other, "expected the name of a variable, a string such as `\"MY_URL\"`"),
        }
    }

    fn take_name(&mut self, name: LitStr, problems: &mut Problems) {
        names::check_variable(&name, problems);
        if self.names.contains(&name) {
            problems.at(&name, format!("`{}` is named twice; remove this one", name.value()));
        } else {
            self.names.push(name);
        }
    }

    fn take_default(&mut self, assign: &ExprAssign, problems: &mut Problems) {
        if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &*assign.right {
            problems.set_once(&mut self.default, text.clone(), "`default` is given twice; remove this one");
        } else {
            let written = assign.right.to_token_stream().to_string();
            let message =
                format!("a default is written as in the environment, in quotes: `default = \"{written}\"`");
            problems.at(&assign.right, message);
        }
    }
}

fn unnamed(attribute: &Attribute) -> String {
    let example = match &attribute.meta {
        Meta::NameValue(meta) => meta.value.to_token_stream().to_string(),
        _ => "\"MY_URL\"".to_owned(),
    };
    format!("name the variable that the field is read from: `#[env({example})]`")
}

fn refuse_conditional_env(attributes: &[Attribute], problems: &mut Problems) {
    for meta in attributes.iter().filter_map(conditional_env) {
        let way_out = "write the field twice, each under a `#[cfg(..)]` of its own";
        problems.at(meta, format!("`#[env(..)]` cannot be under `cfg_attr`; {way_out}"));
    }
}

/// Two fields of one variable are a slip of copying. Fields under `#[cfg(..)]` may be alternatives of each other.
fn refuse_shared_variables(fields: &[ExporterField], problems: &mut Problems) {
    let mut owners: HashMap<String, String> = HashMap::new();
    for field in fields.iter().filter(|field| field.cfgs.is_empty()) {
        let names = field.variable.iter().flat_map(|variable| &variable.names);
        let owner = field.member.to_token_stream().to_string();
        for name in names {
            let first = owners.entry(name.value()).or_insert_with(|| owner.clone());
            if *first != owner {
                let way_out = "name another variable, or keep one field and use it twice";
                problems.at(
                    name,
                    format!("`{}` is already read by the field `{first}`; {way_out}", name.value()),
                );
            }
        }
    }
}
