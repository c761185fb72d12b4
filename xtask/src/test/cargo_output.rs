//! Reads along while `cargo test` speaks, and counts.
//!
//! Rule: every byte of cargo's output is passed on unchanged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What the `test result:` lines add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
    filtered: usize,
    failures: Vec<String>,
    /// Whether cargo itself was content: a test that doesn't compile has no result line.
    cargo_succeeded: bool,
}

/// Runs `cargo test`, passes its output on and counts.
pub(super) fn relay(mut command: Command) -> Result<Counts> {
    let mut cargo = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut output = BufReader::new(cargo.stdout.take().expect("stdout is piped"));
    let mut counts = Counts::default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        counts.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    counts.cargo_succeeded = cargo.wait()?.success();
    Ok(counts)
}

impl Counts {
    fn read(&mut self, line: &str) {
        if let Some(result) = line.trim().strip_prefix("test result: ") {
            self.add(result);
        } else if let Some(name) =
            line.trim().strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// `ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn add(&mut self, result: &str) {
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(word)) = (words.next(), words.next()) else { continue };
            let Ok(count) = count.parse::<usize>() else { continue };
            match word {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                "filtered" => self.filtered += count,
                _ => {}
            }
        }
    }

    /// One line for the summary; an error if anything failed, or if nothing ran.
    pub(super) fn verdict(&self, skipped: usize) -> Result<String> {
        let Self { passed, failed, ignored, filtered, .. } = self;
        if *failed > 0 {
            bail!("{failed} failed, {passed} passed: {}", self.failures.join(", "));
        }
        if !self.cargo_succeeded {
            bail!("cargo failed before every test could run, see above; {passed} passed");
        }
        if *passed == 0 {
            bail!("no test ran; {filtered} have other names");
        }
        // A test that says it can't run still counts as passed for the test harness.
        let run = passed.saturating_sub(skipped);
        let others = [(skipped, "skipped"), (*ignored, "ignored"), (*filtered, "filtered out")];
        let others =
            others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
        Ok(format!("{run} passed{}", others.collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(output: &str, cargo_succeeded: bool) -> Counts {
        let mut counts = Counts { cargo_succeeded, ..Counts::default() };
        output.lines().for_each(|line| counts.read(line));
        counts
    }

    const GOOD: &str =
        "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s";

    #[test]
    fn results_of_several_binaries_add_up_and_skipped_tests_are_not_called_passed() {
        let verdict = counts(&format!("{GOOD}\n{GOOD}"), true).verdict(1).unwrap();
        assert_eq!(verdict, "5 passed, 1 skipped, 2 ignored, 4 filtered out");
    }

    #[test]
    fn a_failure_is_named() {
        let output = "test a::b ... ok\ntest a::c ... FAILED\n\
                      test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s";
        assert_eq!(counts(output, false).verdict(0).unwrap_err().to_string(), "1 failed, 1 passed: a::c");
    }

    #[test]
    fn a_test_that_does_not_compile_is_a_failure() {
        assert!(counts(GOOD, false).verdict(0).unwrap_err().to_string().contains("cargo failed"));
    }

    #[test]
    fn a_filter_that_no_test_matches_is_a_failure() {
        let output =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0s";
        assert!(counts(output, true).verdict(0).is_err());
    }
}
