//! Which places one request takes.
//!
//! Rule: no two of its outputs meet, and none is where its base is: known before the compiler starts.

use std::path::{Component, Path, PathBuf};

use super::{Output, archive, layout};
use crate::base::BaseName;
use crate::error::RequestError;

/// Refuses outputs that would overwrite each other or the base.
pub(crate) fn refuse_shared(outputs: &[Output], base: &BaseName) -> Result<(), RequestError> {
    if let BaseName::Layout(folder) = base {
        let folder = real(folder);
        if let Some(output) = outputs.iter().find(|output| output.takes().any(|path| meet(&path, &folder))) {
            return Err(refusal(
                output,
                &format!("`--base oci:{}`", folder.display()),
                "a base is never changed",
            ));
        }
    }
    for (at, output) in outputs.iter().enumerate() {
        let meets =
            |other: &&Output| output.takes().any(|path| other.takes().any(|taken| meet(&path, &taken)));
        if let Some(other) = outputs[..at].iter().find(meets) {
            return Err(refusal(output, &format!("`--output {other}`"), "one would overwrite the other"));
        }
    }
    Ok(())
}

fn refusal(output: &Output, other: &str, why: &str) -> RequestError {
    RequestError::Argument(format!(
        "`--output {output}` and {other} share a place, and {why}; choose another"
    ))
}

impl Output {
    fn takes(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let (path, beside) = match self {
            Self::Layout(folder) => (folder, None),
            Self::Archive(file) => (file, Some(archive::beside(file))),
        };
        [Some(path.clone()), beside].into_iter().flatten().map(|path| real(&path))
    }
}

fn meet(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// The path without links and detours, as far as it is there.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match path.components().next_back() {
        Some(Component::Normal(name)) => real(&layout::parent(path)).join(name),
        // Nobody can say where `missing/..` is.
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, outputs: &[&str], expected: Option<&str>) {
        let parsed: Vec<Output> = outputs.iter().map(|text| text.parse().unwrap()).collect();
        let said = refuse_shared(&parsed, &base.parse().unwrap()).err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), expected, "{base} {outputs:?}");
    }

    #[test]
    fn outputs_that_meet_are_refused() {
        let expected = |one: &str, other: &str| {
            format!(
                "`--output {one}` and `--output {other}` share a place, and one would overwrite the other; choose another"
            )
        };
        for (first, second) in [
            ("oci:x", "tar:x"),
            ("oci:x", "oci:./x"),
            ("oci:x", "tar:x/image.tar"),
            ("tar:x/y/image.tar", "oci:x"),
            ("tar:a.tar", "oci:a.cdx.json"),
            ("tar:a.tar", "tar:a"),
        ] {
            check("scratch", &[first, "oci:other", second], Some(&expected(second, first)));
        }
        check("scratch", &["oci:x", "oci:xy", "tar:x.tar", "tar:x-1.2", "tar:x-1.3"], None);
    }

    #[test]
    fn the_base_is_no_place_to_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let (here, link) = (at.join("base"), at.join("link"));
        std::fs::create_dir(&here).unwrap();
        std::os::unix::fs::symlink(&here, &link).unwrap();
        let base = format!("oci:{}", link.display());
        for output in [format!("oci:{}", here.display()), format!("tar:{}/image.tar", here.display())] {
            let expected = format!(
                "`--output {output}` and `--base oci:{}` share a place, and a base is never changed; choose another",
                here.display()
            );
            check(&base, &[&output], Some(&expected));
        }
        check(&base, &[&format!("oci:{}", at.join("other").display())], None);
    }
}
