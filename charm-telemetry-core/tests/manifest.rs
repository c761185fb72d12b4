//! Manifests as data: what is wrong with each broken one, and what becomes of each valid one.
//! One rule: a case is a file in `data/manifests`; after a change look at the snapshots, then accept them with
//! `INSTA_UPDATE=always cargo test -p charm-telemetry-core --test manifest`.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use charm_telemetry_core::Problems;
use charm_telemetry_core::manifest::{Checked, Manifest};

/// Compares what is said of every file of a folder, one paragraph a file, with the snapshot of the folder's name.
#[track_caller]
fn check(name: &str, say: impl Fn(Result<Checked, Problems>) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manifests").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let listing = files.iter().fold(String::new(), |mut listing, file| {
        let title = file.file_stem().unwrap().to_string_lossy();
        let said = say(Manifest::parse(&fs::read(file).unwrap(), "charm.yaml"));
        writeln!(listing, "{title}\n{}\n", said.trim_end()).unwrap();
        listing
    });
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("data/manifests");
    settings.bind(|| insta::assert_snapshot!(name, listing));
}

#[test]
fn a_broken_manifest_tells_all_its_problems_with_line_and_column() {
    check("broken", |read| match read {
        Err(problems) if problems.has_errors() => problems.to_string(),
        other => panic!("a broken manifest is not refused: {other:?}"),
    });
}

#[test]
fn a_valid_manifest_is_accepted_and_its_oddities_are_told() {
    check("valid", |read| {
        let Checked { manifest, warnings, .. } = read.unwrap();
        assert!(!warnings.has_errors());
        let telemetry: Vec<_> = manifest
            .runtime
            .telemetry
            .iter()
            .map(|item| format!("{} at {}", item.name, item.location))
            .collect();
        format!(
            "  {} {} {:?} {telemetry:?} {:?}\n{warnings}",
            manifest.version,
            manifest.runtime.adapter.kind,
            manifest.runtime.adapter.entry_point,
            manifest.policies.execution_timeout,
        )
    });
}

fn valid(name: &str) -> Manifest {
    let path = format!("{}/tests/data/manifests/valid/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    Manifest::read(Path::new(&path)).unwrap().manifest
}

#[test]
fn what_the_reference_takes_for_numbers_and_booleans_arrives_as_such() {
    let manifest = valid("coercions");
    assert_eq!(manifest.policies.execution_timeout, Some(Duration::from_secs(90)));
    assert_eq!(manifest.policies.rest["max_steps"], 10);
    assert_eq!(manifest.policies.rest["allow_internet_access"], false);
    assert_eq!(manifest.pricing.unwrap()["trial"]["days"], 3);
}

#[test]
fn a_flat_list_of_variables_is_split() {
    let variables = valid("flat_environment_variables").runtime.adapter.environment_variables;
    assert_eq!(variables.models, ["OPENAI_API_KEY"]);
    assert_eq!(variables.tools, ["SEARCH_KEY"]);
}

#[test]
fn own_keys_override_merged_ones_and_of_repeated_ones_the_last_counts() {
    let adapter = valid("merge_and_alias").runtime.adapter;
    assert_eq!((adapter.kind.as_str(), adapter.entry_point.as_deref()), ("python", Some("main:agent")));
    assert_eq!(valid("repeated_key").persona.name, "Weather");
}

#[test]
fn every_value_can_be_located_by_its_path() {
    let manifest = valid("everything");
    for (path, line, column) in [
        ("version", 1, 10),
        ("persona.assets.screenshots[0]", 13, 53),
        ("runtime.telemetry[1]", 28, 21),
        ("auth.providers[0].scopes[0]", 15, 44),
        ("workflow.since", 39, 34),
    ] {
        let found = manifest.location_of(path).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!((found.line, found.column), (line, column), "{path}");
    }
    for path in
        ["nothing", "runtime.telemetry[2]", "runtime.telemetry.x", "version.x", "runtime.telemetry[", "[0]"]
    {
        assert_eq!(manifest.location_of(path), None, "{path}");
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let problems = Manifest::parse(text.as_bytes(), "charm.yaml").unwrap_err();
    assert!(problems.to_string().contains(expected), "{problems}");
}

#[test]
fn a_hostile_text_is_refused_in_bounded_time_and_stack() {
    let deep = "nested more than 100 levels";
    check_refused(&"[".repeat(500_000), deep);
    check_refused(&"{a: ".repeat(200_000), deep);
    check_refused(
        &(0..3_000).fold(String::new(), |text, level| text + &" ".repeat(level % 300) + "a:\n"),
        "",
    );
    check_refused(&"- ".repeat(300_000), deep);
    let chain = (1..50_000).fold("a0: &a0 [x]\n".to_owned(), |mut text, i| {
        writeln!(text, "a{i}: &a{i} [*a{}]", i - 1).unwrap();
        text
    });
    check_refused(&chain[..1_000_000], deep);
    let laughs = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |mut text, i| {
        let names = vec![format!("*a{}", i - 1); 9].join(", ");
        writeln!(text, "a{i}: &a{i} [{names}]").unwrap();
        text
    });
    check_refused(&laughs, "more than 100000 values");
    check_refused(&"a".repeat(2_000_000), "larger than 1 MiB");
}

#[test]
fn short_broken_texts_have_a_problem_and_no_panic() {
    for text in [
        "[!,",
        "a: ''|\n 0",
        ">\n@",
        "{-",
        "&",
        "*",
        "!",
        "a: |",
        "%",
        "\u{feff}\u{feff}",
        "\"\\",
        "[? ",
        "- - -\n-",
    ] {
        assert!(Manifest::parse(text.as_bytes(), "charm.yaml").unwrap_err().has_errors(), "{text:?}");
    }
}

#[test]
fn what_the_user_wrote_cannot_break_a_line_or_reach_the_terminal_as_a_command() {
    for text in
        ["!0E%0A*E", "!a%1B[2J x", "\"a\\nb\\e[2J\": 1", "version: \"\\e[2J\\n\"", "goals: \"\\r\\nx\""]
    {
        for problem in Manifest::parse(text.as_bytes(), "charm.yaml").unwrap_err() {
            assert!(!problem.to_string().contains(char::is_control), "{problem:?}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_way_out() {
    let say = |path: &Path| Manifest::read(path).unwrap_err().to_string();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    assert!(say(&folder).ends_with("is a folder; name a file"));
    assert!(say(&folder.join("none.yaml")).contains("none.yaml` does not exist; run this in the folder"));
    assert!(say(&folder.join("manifest.rs/charm.yaml")).contains("cannot be read"));
}

#[test]
fn a_manifest_with_faults_still_tells_what_it_names() {
    let text = "runtime:\n  adapter: {type: pyton, environment_variables: {models: [A_KEY, 3], tools: [B_KEY]}}\n  \
                telemetry: [datadgo, {}, otlp, otlp]\n";
    let names = Manifest::examine(text.as_bytes(), "charm.yaml").names;
    let adapter = names.adapter.unwrap();
    assert_eq!((adapter.kind.as_str(), adapter.location.to_string().as_str()), ("pyton", "charm.yaml:2:19"));
    let exporters: Vec<_> =
        names.telemetry.iter().map(|it| format!("{} at {} {}", it.name, it.location, it.key_path)).collect();
    assert_eq!(
        exporters,
        [
            "datadgo at charm.yaml:3:15 runtime.telemetry[0]",
            "otlp at charm.yaml:3:28 runtime.telemetry[2]",
            "otlp at charm.yaml:3:34 runtime.telemetry[3]",
        ]
    );
    assert_eq!(names.variables, ["A_KEY", "B_KEY"]);
}

#[test]
fn of_what_is_no_yaml_nothing_is_named() {
    for text in
        ["runtime: {telemetry: [otlp]", "", "null", "[runtime]", "runtime: {telemetry: 3, adapter: []}"]
    {
        let examined = Manifest::examine(text.as_bytes(), "charm.yaml");
        assert!(examined.outcome.is_err(), "{text}");
        assert!(examined.names.telemetry.is_empty() && examined.names.adapter.is_none(), "{text}");
    }
}
