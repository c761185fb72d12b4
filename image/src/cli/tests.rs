//! The command line, as people type it and as the guides tell them to.
//!
//! Rule: a line of a guide that cannot be understood is a fault of the guide.

use super::{Cli, EXAMPLES, entrypoint};
use clap::{CommandFactory as _, Parser as _};
use std::path::{Path, PathBuf};

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn an_entry_point_is_words_or_a_list_and_never_half_a_quote() {
    assert_eq!(entrypoint("tini  --").unwrap(), ["tini", "--"]);
    assert_eq!(entrypoint("").unwrap(), [""; 0]);
    assert_eq!(entrypoint(r#"["sh", "-c", "exec 'x'"]"#).unwrap(), ["sh", "-c", "exec 'x'"]);
    let way_out = r#"write a list in JSON, as `--entrypoint '["sh", "-c", "exec x"]'`"#;
    for text in [r#"sh -c "exec x""#, "sh -c 'exec x'", r"sh -c exec\ x", r#"["sh", 1]"#, "[sh]"] {
        let error = entrypoint(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`--entrypoint {text}` ")) && error.ends_with(way_out), "{error}");
    }
}

#[test]
fn who_only_wants_to_read_the_crate_hears_that_nothing_else_is_done() {
    assert!(Cli::try_parse_from(["image", "--generate-only", "--tag", "a:1"]).is_ok());
    for other in ["--output=oci:a", "--load", "--push", "--json", "--print-digest"] {
        let error = Cli::try_parse_from(["image", "--generate-only", other]).unwrap_err().to_string();
        assert!(error.contains("'--generate-only' cannot be used with"), "{error}");
    }
}

/// README.md and the guides.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let guides = root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    guides.chain([root.join("README.md")]).collect()
}

/// The lines of our command, in blocks of any language, each as one line.
fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut in_block = false;
    let typed = joined.lines().filter(|line| {
        in_block ^= line.trim_start().starts_with("```");
        in_block
    });
    let ours = typed
        .filter_map(|line| line.trim_start().trim_start_matches("$ ").strip_prefix("cargo xtask image "));
    ours.map(str::to_owned).collect()
}

/// As a shell would, which knows what the dots stand for.
fn words(line: &str) -> Vec<String> {
    let line = line.split("  # ").next().unwrap().split(" > ").next().unwrap();
    let line = line.replace("sha256:...", &format!("sha256:{}", "0".repeat(64)));
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match c {
            '"' | '\'' if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            ' ' if quote.is_none() => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[track_caller]
fn understood(place: &Path, line: &str) {
    // What stands in for the output of a command must be a tag.
    let line = line.replace("$(git rev-parse --short HEAD)", "0123abc");
    let args = ["image".to_owned()].into_iter().chain(words(&line));
    let cli = Cli::try_parse_from(args);
    let error = cli.err().map(|error| error.to_string());
    assert_eq!(error, None, "{}: cargo xtask image {line}", place.display());
}

#[test]
fn every_line_of_the_guides_and_of_the_help_is_understood() {
    let examples = format!("```\n{EXAMPLES}\n```");
    assert_eq!(lines(&examples).len(), 3);
    for line in lines(&examples) {
        understood(Path::new("--help"), &line);
    }
    let mut count = 0;
    for document in documents() {
        for line in lines(&std::fs::read_to_string(&document).unwrap()) {
            count += 1;
            understood(&document, &line);
        }
    }
    assert!(count >= 5, "only {count} lines were found");
}
