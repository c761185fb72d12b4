//! What every file that a person reads must keep to.
//!
//! Rule: a check names the line and says what to write instead.

use super::SourceFile;

/// Longer files say why in their head, on a line that begins with [`LONG_BECAUSE`].
const MOST_LINES: usize = 400;
const LONG_BECAUSE: &str = "//! Long because ";

/// Files in these languages have no space at the end of a line. Snapshots are left as their tool writes them.
const NO_TRAILING_SPACE: &[&str] = &["rs", "md", "toml", "py", "js", "yaml", "sh"];

/// What ties the repository to one machine or to one moment. Each is written in two parts, so that this file may
/// itself be checked.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/ro", "ot/"), "a path of one machine; look it up instead"),
    (concat!("/wo", "rk/"), "a path of one machine; look it up instead"),
    (concat!("FIX", "ME"), "finish it, or say plainly in the docs what is missing"),
    (concat!("TO", "DO"), "finish it, or say plainly in the docs what is missing"),
    (concat!("#[ign", "ore"), "a test that doesn't run hides; let it ask for what it needs in `requires`"),
    (concat!("crates", ".io"), "name the package alone"),
    (concat!("pypi", ".org"), "name the package alone"),
    (concat!("npmjs", ".com"), "name the package alone"),
];

pub(super) fn problems(file: &SourceFile) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(head(file));
    problems.extend(length(file));
    problems.extend(trailing_space(file));
    problems.extend(forbidden(file));
    problems.extend(untagged_commands(file));
    problems
}

fn head(file: &SourceFile) -> Option<String> {
    // A case for the compiler to refuse holds one mistake, and its name says which.
    (file.has_extension("rs") && !file.path.contains("/tests/ui/") && !file.text.starts_with("//! "))
        .then(|| file.problem(1, "begin with `//! `: what the file is for and the one rule it upholds"))
}

fn length(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    let explained = file.text.lines().take(30).any(|line| line.starts_with(LONG_BECAUSE));
    (file.has_extension("rs") && lines > MOST_LINES && !explained).then(|| {
        file.problem(
            lines,
            &format!("{lines} lines; split the file, or say why in a line `{LONG_BECAUSE}...`"),
        )
    })
}

fn trailing_space(file: &SourceFile) -> Vec<String> {
    // What a test reads may have to look like that.
    let is_data = file.path.contains("tests/data/");
    if is_data || !NO_TRAILING_SPACE.iter().any(|extension| file.has_extension(extension)) {
        return Vec::new();
    }
    let lines = (1..).zip(file.text.split('\n'));
    let faulty = lines.filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    faulty.map(|(number, _)| file.problem(number, "remove the white space at the end of the line")).collect()
}

fn forbidden(file: &SourceFile) -> Vec<String> {
    if file.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let lines = (1..).zip(file.text.lines());
    let found = lines.flat_map(|(number, line)| {
        let words = FORBIDDEN.iter().filter(move |(word, _)| line.contains(word));
        words.map(move |(word, why)| file.problem(number, &format!("`{word}`: {why}")))
    });
    found.collect()
}

/// A test runs the commands of `console` blocks, so a command elsewhere would go stale unseen.
fn untagged_commands(file: &SourceFile) -> Vec<String> {
    if !file.has_extension("md") {
        return Vec::new();
    }
    let mut block: Option<&str> = None;
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        if let Some(tag) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(tag.trim()) };
            if block.is_some_and(|tag| ["bash", "shell", "sh", "zsh"].contains(&tag)) {
                problems.push(
                    file.problem(number, "tag commands `console` and begin each with `$ `: a test runs them"),
                );
            }
        } else if line.starts_with("$ ") && block != Some("console") {
            problems.push(file.problem(number, "a command outside a `console` block is run by no test"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        let found = problems(&file);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn a_file_without_a_head_is_told_what_to_write() {
        check("a.rs", "use std;\n", &["a.rs:1: begin with `//! `"]);
        check("a.rs", "//! What.\n", &[]);
    }

    #[test]
    fn a_long_file_has_to_say_why() {
        let body = "//! What.\n".to_owned() + &"\n".repeat(MOST_LINES);
        check("a.rs", &body, &["split the file"]);
        check("a.rs", &body.replacen("What.", "Long because it is a table.", 1), &[]);
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_found_also_without_a_newline() {
        check("a.md", "one \ntwo\nthree\t", &["a.md:1", "a.md:3"]);
        check("a.snap", "one \n", &[]);
    }

    #[test]
    fn a_forbidden_word_is_found_in_any_text() {
        check("a.yaml", &format!("path: {}x\n", concat!("/ro", "ot/")), &["a.yaml:1: "]);
    }

    #[test]
    fn a_command_that_no_test_would_run_is_found() {
        check("a.md", "```console\n$ ls\n```\n", &[]);
        check("a.md", "```\n$ ls\n```\n", &["a.md:2"]);
        check("a.md", "```bash\nls\n```\n", &["a.md:1"]);
        check("a.md", "```text\nno command\n```\n$ ls\n", &["a.md:4"]);
    }
}
