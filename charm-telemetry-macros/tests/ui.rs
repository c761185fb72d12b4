//! What the compiler says when the attribute is misused: one mistake a file, one error each.
//!
//! Rule: the text is reviewed as prose for a person who has never seen this macro. `TRYBUILD=overwrite` blesses it anew.

use std::fs;
use std::path::PathBuf;

/// No case that passes is among these: without one, all cases are compiled by a single, parallel `cargo check`.
#[test]
fn every_misuse_is_explained_at_the_token_to_change() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn one_mistake_gives_one_error_and_no_warning() {
    let cases = fs::read_dir("tests/ui").expect("the cases are there").map(|entry| entry.unwrap().path());
    let texts: Vec<PathBuf> =
        cases.filter(|path| path.extension().is_some_and(|extension| extension == "stderr")).collect();
    assert!(texts.len() >= 30, "{} cases", texts.len());
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        let starts = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
        let expected = if path.ends_with("everything-at-once.stderr") { 6 } else { 1 };
        assert_eq!((starts("error"), starts("warning")), (expected, 0), "{}", path.display());
    }
}
