//! Versions are said once, and exactly where a run must repeat.
//!
//! Rule: crates take theirs from the workspace; Python packages and the toolchain are pinned.

use super::SourceFile;

pub(super) fn problems(files: &[SourceFile]) -> Vec<String> {
    let mut problems = toolchain(files);
    for file in files {
        if file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/") {
            problems.extend(own_versions(file));
        }
        if file.path == "tests/requirements.txt" {
            problems.extend(loose_requirements(file));
        }
    }
    problems
}

/// The toolchain that builds, and the oldest one that we promise, are one.
fn toolchain(files: &[SourceFile]) -> Vec<String> {
    let channel = value(files, "rust-toolchain.toml", "channel");
    let promised = value(files, "Cargo.toml", "rust-version");
    match (channel, promised) {
        (Some(channel), Some(promised))
            if channel == promised || channel.starts_with(&format!("{promised}.")) =>
        {
            Vec::new()
        }
        found => vec![format!(
            "rust-toolchain.toml:1: `channel` and `rust-version` of Cargo.toml differ: {found:?}"
        )],
    }
}

fn value<'a>(files: &'a [SourceFile], path: &str, key: &str) -> Option<&'a str> {
    let file = files.iter().find(|file| file.path == path)?;
    file.text.lines().find_map(|line| assignment(line, key))
}

/// The string of `key = "string"`.
fn assignment<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?.strip_suffix('"')
}

/// `name = "1.2"` or `version = "1.2"` below a table of dependencies.
fn own_versions(file: &SourceFile) -> Vec<String> {
    let mut in_dependencies = false;
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        } else if in_dependencies && names_a_version(line) {
            problems.push(file.problem(
                number,
                "move the version to [workspace.dependencies] and write `workspace = true`",
            ));
        }
    }
    problems
}

fn names_a_version(line: &str) -> bool {
    let Some((_, value)) = line.split_once('=') else { return false };
    let value = value.trim();
    value.starts_with(['"', '\'']) || value.contains("version")
}

fn loose_requirements(file: &SourceFile) -> Vec<String> {
    let lines = (1..).zip(file.text.lines());
    let loose = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#') && !line.contains("=="));
    loose.map(|(number, _)| file.problem(number, "pin the package: `name==version`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn with_toolchain(channel: &str, other: SourceFile) -> Vec<String> {
        let toolchain = file("rust-toolchain.toml", &format!("[toolchain]\nchannel = \"{channel}\"\n"));
        let workspace = file("Cargo.toml", "[workspace.package]\nrust-version = \"1.95\"\n");
        problems(&[toolchain, workspace, other])
    }

    #[test]
    fn the_toolchain_is_the_promised_one() {
        assert_eq!(with_toolchain("1.95.0", file("a", "")), Vec::<String>::new());
        assert_eq!(with_toolchain("1.96.0", file("a", "")).len(), 1);
    }

    #[test]
    fn a_crate_with_a_version_of_its_own_is_found() {
        let text = "[package]\nname = \"x\"\n[dev-dependencies]\nserde.workspace = true\nanyhow = \"1\"\n";
        assert_eq!(with_toolchain("1.95.0", file("x/Cargo.toml", text)).len(), 1);
    }

    #[test]
    fn a_python_package_without_a_pin_is_found() {
        let text = "# what\nanyio==4.16.0\nattrs>=26\n";
        assert_eq!(with_toolchain("1.95.0", file("tests/requirements.txt", text)).len(), 1);
    }
}
