//! `cargo xtask new-exporter`: writes the crate of an exporter, with the house's files and green tests.
//!
//! Rule: nothing that exists is touched, and what is written is whole or not there.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;

use crate::{console, workspace};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// What `charm.yaml` will call it: lower-case letters, digits and `-`.
    name: String,
    /// The folder to make. The default is the name, here.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// The files: where each goes, and what is in it.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../templates/exporter/Cargo.toml.tmpl")),
    ("README.md", include_str!("../templates/exporter/README.md.tmpl")),
    (".gitignore", "/target/\n"),
    ("src/lib.rs", include_str!("../templates/exporter/src/lib.rs.tmpl")),
    ("src/encode.rs", include_str!("../templates/exporter/src/encode.rs.tmpl")),
    ("src/request.rs", include_str!("../templates/exporter/src/request.rs.tmpl")),
    ("src/classify.rs", include_str!("../templates/exporter/src/classify.rs.tmpl")),
    ("src/exporter.rs", include_str!("../templates/exporter/src/exporter.rs.tmpl")),
    ("src/tests.rs", include_str!("../templates/exporter/src/tests.rs.tmpl")),
    ("src/tests/data/run.json", include_str!("../templates/exporter/src/tests/data/run.json")),
];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let name = Name::parse(&args.name)?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let folder =
        std::path::absolute(&folder).with_context(|| format!("`{}` is no path", folder.display()))?;
    if folder.exists() {
        bail!("`{}` is there already; choose another folder with `--path DIR`", folder.display());
    }
    let core = relative(&normal(&folder), &workspace::root().join("charm-telemetry-core"));
    let written = write(&folder, &name, &core);
    if written.is_err() {
        // It did not exist before, so nothing of anyone else is in it.
        let _ = std::fs::remove_dir_all(&folder);
    }
    written?;
    console::section(&format!("{} is in {}", name.package(), folder.display()));
    console::note("cargo test                       its tests, which need no network");
    console::note(&format!(
        "cargo xtask image --with {}={} --output tar:runner.tar",
        name.package(),
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, name: &Name, core: &Path) -> Result<()> {
    for (path, template) in FILES {
        let path = folder.join(path);
        let parent = path.parent().context("a file is in a folder")?;
        let cannot = || format!("cannot write `{}`; choose a folder that you may write to", path.display());
        std::fs::create_dir_all(parent).with_context(cannot)?;
        std::fs::write(&path, name.fill(template, core)).with_context(cannot)?;
    }
    Ok(())
}

/// What the templates import and could be taken for the exporter.
const IMPORTED: [&str; 2] = ["SpanExporter", "TelemetryExporter"];

/// The name of an exporter, and what follows from it.
struct Name(String);

impl Name {
    fn parse(text: &str) -> Result<Self> {
        let lower: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let fixed = lower.trim_matches('-').trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        if fixed.is_empty() {
            bail!(
                "exporter name `{text}` must be lower-case letters, digits and `-`, beginning with a letter; try `my-exporter`"
            );
        }
        if fixed != text {
            bail!(
                "exporter name `{text}` must be lower-case letters, digits and `-`, beginning with a letter; try `{fixed}`"
            );
        }
        let name = Self(text.to_owned());
        if IMPORTED.contains(&name.type_name().as_str()) {
            let taken = name.type_name();
            bail!(
                "exporter name `{text}` makes the type `{taken}`, as something of the SDK is called; try `my-{text}`"
            );
        }
        if workspace::root().join("exporters").join(text).is_dir() {
            bail!(
                "exporter name `{text}` is that of a vendor, and no image can have two of one name; try `my-{text}`"
            );
        }
        Ok(name)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split('-').filter(|word| !word.is_empty())
    }

    fn package(&self) -> String {
        format!("charm-exporter-{}", self.0)
    }

    fn title(&self) -> String {
        self.words().map(capital).collect::<Vec<_>>().join(" ")
    }

    fn type_name(&self) -> String {
        self.words().map(capital).collect::<String>() + "Exporter"
    }

    fn variable(&self) -> String {
        self.words().map(str::to_ascii_uppercase).collect::<Vec<_>>().join("_")
    }

    fn fill(&self, template: &str, core: &Path) -> String {
        template
            .replace("@PACKAGE@", &self.package())
            .replace("@NAME@", &self.0)
            .replace("@TITLE@", &self.title())
            .replace("@TYPE@", &self.type_name())
            .replace("@VARIABLE@", &self.variable())
            .replace("@CORE_VERSION@", env!("CARGO_PKG_VERSION"))
            .replace("@CORE_PATH@", &format!("path = {:?}, ", core.display().to_string()))
    }
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Without `.` and `..`, by the text alone.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
        normal
    })
}

/// The way from one folder to another: relative, so that both can move together.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Name, relative};
    use std::path::Path;

    #[test]
    fn names_follow_from_the_name() {
        let name = Name::parse("my-2nd-sink").unwrap();
        let all = [name.package(), name.title(), name.type_name(), name.variable()];
        assert_eq!(all, ["charm-exporter-my-2nd-sink", "My 2nd Sink", "My2ndSinkExporter", "MY_2ND_SINK"]);
    }

    #[test]
    fn a_bad_name_comes_back_as_a_good_one() {
        for (text, expected) in
            [("Data Dog", "try `data-dog`"), ("9lives", "try `lives`"), ("--", "try `my-exporter`")]
        {
            let error = Name::parse(text).err().unwrap().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[test]
    fn a_name_that_something_else_has_is_refused() {
        for (text, reason) in [
            ("span", "makes the type `SpanExporter`"),
            ("telemetry", "makes the type `TelemetryExporter`"),
            ("sentry", "is that of a vendor"),
            ("otlp", "is that of a vendor"),
        ] {
            let error = Name::parse(text).err().unwrap().to_string();
            assert!(error.contains(reason) && error.ends_with(&format!("try `my-{text}`")), "{error}");
        }
        assert!(Name::parse("my-span").is_ok() && Name::parse("my-sentry").is_ok());
    }

    #[test]
    fn no_type_that_a_template_imports_is_forgotten() {
        for (path, template) in super::FILES {
            let words = template.split(|c: char| !c.is_alphanumeric());
            for word in words.filter(|word| word.len() > "Exporter".len() && word.ends_with("Exporter")) {
                assert!(super::IMPORTED.contains(&word), "{path}: {word}");
            }
        }
    }

    #[test]
    fn the_way_to_core_is_relative() {
        assert_eq!(relative(Path::new("/a/b/c"), Path::new("/a/d/core")), Path::new("../../d/core"));
    }
}
