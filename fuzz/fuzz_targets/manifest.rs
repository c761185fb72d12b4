//! Any bytes as a `charm.yaml`: it is valid or it has problems, and every problem points into the text.
//! The one rule: a finding is a failed assertion or an overrun stack, never only a slow input.

#![no_main]

use charm_telemetry_core::{Manifest, Problems};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match Manifest::parse(bytes, "charm.yaml") {
    Ok(checked) => {
        assert!(!checked.warnings.has_errors());
        assert!(checked.manifest.location_of("version").is_some());
        assert!(checked.manifest.runtime.telemetry.iter().all(|name| name.location.line > 0));
        check(&checked.warnings, bytes);
    }
    Err(problems) => {
        assert!(problems.has_errors());
        check(&problems, bytes);
    }
});

fn check(problems: &Problems, bytes: &[u8]) {
    // YAML knows line ends of two and three bytes too.
    let most_lines = bytes.len() + 1;
    for problem in problems {
        // The user's own text may hold these words, but then it has a place.
        let ours = problem.location.is_none() && problem.message.ends_with("please report it");
        assert!(!ours, "{problem}");
        assert!(!problem.to_string().contains('\n'), "{problem}");
        if let Some(location) = &problem.location {
            assert!((1..=most_lines).contains(&location.line), "{problem}");
            assert!((1..=bytes.len() + 1).contains(&location.column), "{problem}");
        }
    }
    serde_json::to_string(problems).expect("problems are plain data");
}
