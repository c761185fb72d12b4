//! Files and folders that are not whole yet.
//!
//! Rule: they have names of their own until they are whole, and none is left behind: not by an error, not by a signal.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use crate::error::OutputError;
use crate::interrupt;

/// How the names of all that is not whole begin.
pub(crate) const PREFIX: &str = ".charm-image-";

/// A file; removed when it is dropped before it got its name.
#[derive(Debug)]
pub(crate) struct PartialFile(Option<NamedTempFile>);

impl PartialFile {
    pub(crate) fn new_in(folder: &Path) -> io::Result<Self> {
        let mut list = interrupt::hold();
        let file = Builder::new().prefix(PREFIX).tempfile_in(folder)?;
        list.add(file.path());
        Ok(Self(Some(file)))
    }

    pub(crate) fn as_file(&mut self) -> &mut File {
        self.0.as_mut().expect("only who consumes it takes it").as_file_mut()
    }

    /// A temporary file is for its owner alone; an image is for others too.
    pub(crate) fn make_readable(&mut self) -> io::Result<()> {
        self.as_file().set_permissions(Permissions::from_mode(0o644))
    }

    /// Gives it its name.
    pub(crate) fn persist(self, to: &Path) -> Result<(), OutputError> {
        persist_all(vec![(self, to)])
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        let Some(file) = self.0.take() else { return };
        let mut list = interrupt::hold();
        let path = file.path().to_owned();
        drop(file);
        list.remove(&path);
    }
}

/// Gives each file its name: all get it, or none.
pub(crate) fn persist_all(files: Vec<(PartialFile, &Path)>) -> Result<(), OutputError> {
    // What is dropped here holds nothing any more, and so does not ask for the list.
    let take = |(mut file, to): (PartialFile, _)| (file.0.take().expect("only who consumes it takes it"), to);
    let files: Vec<(NamedTempFile, &Path)> = files.into_iter().map(take).collect();
    let partial: Vec<PathBuf> = files.iter().map(|(file, _)| file.path().to_owned()).collect();
    let mut list = interrupt::hold();
    let named = name_all(files);
    for path in &partial {
        list.remove(path);
    }
    named
}

fn name_all(files: Vec<(NamedTempFile, &Path)>) -> Result<(), OutputError> {
    let mut named: Vec<&Path> = Vec::new();
    for (file, to) in files {
        if let Err(error) = file.persist(to) {
            for path in named {
                // That it cannot be removed is less news than why the other could not be named.
                let _ = std::fs::remove_file(path);
            }
            return Err(OutputError::writing(to)(error.error));
        }
        named.push(to);
    }
    Ok(())
}

/// A folder; removed with all that is in it when it is dropped before it got its name.
#[derive(Debug)]
pub(crate) struct PartialFolder(Option<TempDir>);

impl PartialFolder {
    pub(crate) fn new_in(parent: &Path) -> io::Result<Self> {
        let mut list = interrupt::hold();
        let folder = Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        list.add(folder.path());
        Ok(Self(Some(folder)))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.as_ref().expect("only who consumes it takes it").path()
    }

    /// Takes what is in it elsewhere, which `take` does, and removes it; no signal is answered meanwhile.
    pub(crate) fn empty(mut self, take: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let folder = self.0.take().expect("only who consumes it takes it");
        let mut list = interrupt::hold();
        let path = folder.path().to_owned();
        let taken = take(&path);
        drop(folder);
        list.remove(&path);
        taken
    }

    /// Gives it its name, which `rename` does; no signal is answered meanwhile.
    pub(crate) fn persist(mut self, rename: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let folder = self.0.take().expect("only who consumes it takes it");
        let mut list = interrupt::hold();
        let path = folder.path().to_owned();
        let renamed = rename(&path);
        if renamed.is_ok() {
            // It is where it belongs: there is nothing to remove any more.
            let _ = folder.keep();
        } else {
            drop(folder);
        }
        list.remove(&path);
        renamed
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        let Some(folder) = self.0.take() else { return };
        let mut list = interrupt::hold();
        let path = folder.path().to_owned();
        drop(folder);
        list.remove(&path);
    }
}
