//! The commands that README.md and the guides tell people to type.
//!
//! Rule: a command is run by a test, or it is on the list of those that are run elsewhere, with the reason.

use std::path::{Path, PathBuf};

use crate::workspace;

/// A line of a `console` block that begins with `$ `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocCommand {
    /// File and line.
    pub place: String,
    /// The command, without the `$ `; lines that end with a backslash are one command.
    pub line: String,
    /// The exit code that the text promises: `# exits 78`, at the end of the line or on the next; else 0.
    pub code: i32,
}

/// Commands that no test of the documentation can run, by their beginning.
const ELSEWHERE: &[(&str, &str)] = &[
    ("git clone ", "needs the network"),
    ("cd ", "goes to where the tests are already"),
    ("cargo xtask ", "the tests of the tasks look whether it is understood, and those of images build some"),
    ("cargo test", "the tests of the workspace are running already"),
    ("cargo build", "the workspace is built already"),
    ("cargo new ", "the examples are in the workspace, and are built and tested there"),
    ("cargo add ", "the examples are in the workspace, and are built and tested there"),
    ("cargo install ", "needs the network"),
    ("python3 -m pip install ", "needs the network; the environment of the tests has the same packages"),
    ("apt-get install ", "changes the machine"),
    ("docker ", "needs a Docker daemon"),
    ("podman ", "the tests of images run containers of their own"),
];

/// How the text starts a program before it is installed; its package follows, which has its name.
const FROM_SOURCE: &[&str] = &["cargo run --release -p ", "cargo run -p "];

impl DocCommand {
    /// Why the command isn't run here.
    pub fn run_elsewhere(&self) -> Option<&'static str> {
        ELSEWHERE.iter().find(|(start, _)| self.line.starts_with(start)).map(|(_, reason)| *reason)
    }

    /// The package that the command builds and runs.
    pub fn package(&self) -> Option<&str> {
        let rest = FROM_SOURCE.iter().find_map(|start| self.line.strip_prefix(start))?;
        rest.split_whitespace().next()
    }

    /// What a shell is given that has the package's program on its path.
    pub fn shell_line(&self) -> String {
        let Some(package) = self.package() else { return self.line.clone() };
        let args = self.line.split_once(" -- ").map_or("", |(_, args)| args);
        format!("{package} {args}")
    }
}

/// README.md and every guide, those of the exporters too.
///
/// # Panics
/// If a folder can't be read.
pub fn documents() -> Vec<PathBuf> {
    let root = workspace::root();
    let homes = ["docs", "docs/exporters"].map(|home| root.join(home).read_dir().expect("there are guides"));
    let guides = homes.into_iter().flatten().map(|entry| entry.expect("the folder can be listed").path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let readme = Some(root.join("README.md")).filter(|readme| readme.is_file());
    let mut documents: Vec<_> = guides.chain(readme).collect();
    documents.sort();
    documents
}

/// The commands of one document, in order.
///
/// # Panics
/// If it can't be read.
pub fn commands(document: &Path) -> Vec<DocCommand> {
    let text =
        std::fs::read_to_string(document).unwrap_or_else(|error| panic!("`{}`: {error}", document.display()));
    let name = document.strip_prefix(workspace::root()).unwrap_or(document).display().to_string();
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Vec<DocCommand> {
    let mut commands: Vec<DocCommand> = Vec::new();
    let (mut in_console, mut continued) = (false, false);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(tag) = line.strip_prefix("```") {
            in_console = !in_console && tag == "console";
            continued = false;
        } else if !in_console {
        } else if let Some(command) = line.strip_prefix("$ ") {
            let place = format!("{name}:{number}");
            commands.push(DocCommand { place, line: String::new(), code: 0 });
            continued = add_to_last(&mut commands, command);
        } else if continued {
            continued = add_to_last(&mut commands, line);
        } else if let (Some(code), Some(last)) = (promised_code(line), commands.last_mut()) {
            last.code = code;
        }
    }
    commands
}

/// Returns whether the next line goes on.
fn add_to_last(commands: &mut [DocCommand], line: &str) -> bool {
    let last = commands.last_mut().expect("a command was begun");
    let (line, code) = match line.split_once("  # ") {
        Some((line, comment)) => (line, promised_code(&format!("# {comment}"))),
        None => (line, None),
    };
    last.code = code.unwrap_or(last.code);
    last.line.push_str(line.trim_end_matches('\\').trim_end());
    let goes_on = line.ends_with('\\');
    if goes_on {
        last.line.push(' ');
    }
    goes_on
}

fn promised_code(comment: &str) -> Option<i32> {
    comment.strip_prefix("# exits ")?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, i32)]) {
        let found = parse("a.md", text);
        let found: Vec<_> = found.iter().map(|command| (command.line.as_str(), command.code)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_lines_with_a_prompt_in_console_blocks_are_commands() {
        check(
            "$ a\n```console\n$ b\noutput\n```\n```text\n$ c\n```\n```console\n$ d\n```\n",
            &[("b", 0), ("d", 0)],
        );
    }

    #[test]
    fn a_promised_exit_code_is_read_beside_and_below_the_command() {
        check(
            "```console\n$ a  # exits 78\n$ b\n# exits 1\n$ c  # just a remark\n```",
            &[("a", 78), ("b", 1), ("c", 0)],
        );
    }

    #[test]
    fn a_program_that_is_run_from_its_source_is_run_from_where_it_was_built() {
        let found =
            parse("a.md", "```console\n$ cargo run --release -p x -- run -- y\n$ cargo run -p x\n```");
        let found: Vec<_> = found.iter().map(DocCommand::shell_line).collect();
        assert_eq!(found, ["x run -- y", "x "]);
    }

    #[test]
    fn a_backslash_joins_lines() {
        check("```console\n$ a \\\n    --b \\\n    c\noutput\n```", &[("a --b c", 0)]);
    }
}
