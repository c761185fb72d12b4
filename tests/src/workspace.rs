//! Where the tests find the rest of the repository.
//!
//! Rule: tests read the repository and write to scratch folders only.

use std::path::Path;

/// The folder of the workspace's `Cargo.toml`.
///
/// # Panics
/// Never: this package is a folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

/// Copies a folder with all that is in it.
///
/// # Panics
/// If something can't be read or written.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made in the scratch folder");
    for entry in from.read_dir().unwrap_or_else(|error| panic!("can't read `{}`: {error}", from.display())) {
        let entry = entry.expect("the folder can be listed");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the kind of a file can be asked for").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            copy_file(&entry.path(), &target);
        }
    }
}

fn copy_file(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("can't copy `{}`: {error}", from.display()));
}
