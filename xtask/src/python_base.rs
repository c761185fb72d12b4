//! The file system of a container with Python, made of Debian's packages: what tests of images build on.
//!
//! Rule: it is made once, of packages that `apt-get` checks; nothing of it is installed on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::needs::Strictness;
use crate::{console, workspace};

/// Python with all of its standard library, and what it links. A shell is not in it.
const PACKAGES: &[&str] = &[
    "libc6",
    "libgcc-s1",
    "libcrypt1",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libffi8",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "libexpat1",
    "libncursesw6",
    "libtinfo6",
    "libreadline8",
    "libnsl2",
    "libtirpc3",
    "libdb5.3",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libk5crypto3",
    "libkrb5support0",
    "libcom-err2",
    "libkeyutils1",
    "media-types",
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "python3-minimal",
    "base-files",
    "ca-certificates",
];

/// Documentation, which no container needs.
const WITHOUT: &[&str] = &["usr/share/doc", "usr/share/man", "usr/share/lintian"];

/// Fetches and unpacks it if it is not there. Where that cannot be done the tests that use it say so.
pub(crate) fn ensure(strictness: Strictness) -> Result<String> {
    let home = workspace::target_dir().join("test-python-base");
    let root = home.join("rootfs");
    if root.join("usr/bin/python3.11").is_file() {
        return Ok("up to date".to_owned());
    }
    console::note(&format!(
        "fetching {} packages of Debian with apt-get (13 MB) and unpacking them into {}: a base for images",
        PACKAGES.len(),
        root.display()
    ));
    match make(&home, &root) {
        Ok(()) => Ok(format!("made of {} packages", PACKAGES.len())),
        Err(error) if strictness == Strictness::RequireAll => Err(error),
        Err(error) => Ok(format!("none, and the tests that use it are skipped: {error:#}")),
    }
}

fn make(home: &Path, root: &Path) -> Result<()> {
    let (packages, unpacked) = (home.join("packages"), home.join("unpacked"));
    for folder in [&packages, &unpacked] {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder)?;
    }
    quiet(Command::new("apt-get").args(["download", "-qq"]).args(PACKAGES).current_dir(&packages))?;
    for package in archives(&packages)? {
        quiet(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&unpacked))?;
    }
    for folder in WITHOUT {
        let _ = std::fs::remove_dir_all(unpacked.join(folder));
    }
    std::fs::rename(&unpacked, root).context("cannot put the file system into its place")
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn quiet(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start `{}`", workspace::line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("`{}` failed: {said}", command.get_program().to_string_lossy());
    }
    Ok(())
}
