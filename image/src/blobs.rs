//! Layers of bases that were fetched, kept for the next build.
//!
//! Rule: a file appears under its digest only when it is whole and its bytes are those of the digest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::descriptor::Descriptor;
use crate::digest::Hashing;
use crate::error::{ImageError, OutputError, RegistryError};
use crate::partial::PartialFile;
use crate::progress::Progress;

/// A folder of blobs, named by their digests.
#[derive(Debug)]
pub(crate) struct BlobCache<'a> {
    folder: PathBuf,
    progress: &'a Progress,
}

impl<'a> BlobCache<'a> {
    pub(crate) fn new(folder: &Path, progress: &'a Progress) -> Self {
        Self { folder: folder.join("sha256"), progress }
    }

    /// The file of a blob; `open` gives its bytes if it is not here yet.
    pub(crate) fn fetch<R: Read>(
        &self,
        blob: &Descriptor,
        open: impl FnOnce() -> Result<R, ImageError>,
    ) -> Result<PathBuf, ImageError> {
        let path = self.folder.join(blob.digest.hex());
        if !is_whole(&path, blob) {
            self.store(blob, open()?, &path)?;
        }
        Ok(path)
    }

    fn store(&self, blob: &Descriptor, bytes: impl Read, path: &Path) -> Result<(), ImageError> {
        let writing = |error| OutputError::writing(path)(error);
        std::fs::create_dir_all(&self.folder).map_err(writing)?;
        let mut file = PartialFile::new_in(&self.folder).map_err(writing)?;
        let task = self.progress.transfer(&format!("pull {}", short(blob)), blob.size);
        let mut hashing = Hashing::new(task.reader(bytes.take(blob.size + 1)));
        io::copy(&mut hashing, &mut Marked(file.as_file())).map_err(|error| copy_error(error, blob, path))?;
        let (_, digest, _) = hashing.finish();
        if digest != blob.digest {
            let wanted = &blob.digest;
            let text = format!("the blob {wanted} came with other bytes ({digest}); try again");
            return Err(RegistryError::Malformed(text).into());
        }
        file.persist(path)?;
        task.done();
        Ok(())
    }
}

/// Whether the file has the bytes that its name says: much may happen to a disk between two builds.
fn is_whole(path: &Path, blob: &Descriptor) -> bool {
    let digest = || -> io::Result<_> {
        let mut hashing = Hashing::new(File::open(path)?);
        io::copy(&mut hashing, &mut io::sink())?;
        Ok(hashing.finish().1)
    };
    let has_size = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == blob.size);
    has_size && digest().is_ok_and(|digest| digest == blob.digest)
}

/// The first digits, as people compare them.
pub(crate) fn short(blob: &Descriptor) -> &str {
    &blob.digest.hex()[..12]
}

/// Marks the errors of writing, to tell them from those of reading in one copy.
struct Marked<'a>(&'a mut File);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WriteError(io::Error);

impl io::Write for Marked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| io::Error::other(WriteError(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn copy_error(error: io::Error, blob: &Descriptor, path: &Path) -> ImageError {
    match error.downcast::<WriteError>() {
        Ok(WriteError(error)) => OutputError::writing(path)(error).into(),
        Err(error) => {
            let digest = &blob.digest;
            RegistryError::Malformed(format!("the blob {digest} came only in part ({error}); try again"))
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_blob_is_fetched_once_and_again_when_its_bytes_are_others() {
        let (folder, progress) = (tempfile::tempdir().unwrap(), Progress::silent());
        let cache = BlobCache::new(folder.path(), &progress);
        let blob = Descriptor::of("layer", b"bytes");
        let fetched = Cell::new(0);
        let fetch = || {
            let open = || {
                fetched.set(fetched.get() + 1);
                Ok(Cursor::new(b"bytes"))
            };
            std::fs::read(cache.fetch(&blob, open).unwrap()).unwrap()
        };
        assert_eq!((fetch(), fetch(), fetched.get()), (b"bytes".to_vec(), b"bytes".to_vec(), 1));
        std::fs::write(folder.path().join("sha256").join(blob.digest.hex()), "bites").unwrap();
        assert_eq!((fetch(), fetched.get()), (b"bytes".to_vec(), 2));
    }
}
