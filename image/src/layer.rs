//! A layer of an image: files in a compressed tar.
//!
//! Rule: the same files make the same bytes: sorted, one time, one owner, no name of anybody.

use std::collections::BTreeMap;
use std::io;

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::gzip::gzip;

/// What a layer will hold, by path, without a leading `/`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files(BTreeMap<String, Entry>);

#[derive(Debug, Clone)]
enum Entry {
    Folder { mode: u32 },
    File { mode: u32, bytes: Vec<u8> },
    Link { target: String },
}

/// A finished layer.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// The tar, compressed.
    pub(crate) gzip: Vec<u8>,
    /// The digest of the tar before compression.
    pub(crate) diff_id: Digest,
}

impl Files {
    pub(crate) fn folder(&mut self, path: &str, mode: u32) {
        self.0.insert(format!("{path}/"), Entry::Folder { mode });
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), Entry::File { mode, bytes });
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.0.insert(path.to_owned(), Entry::Link { target: target.to_owned() });
    }

    pub(crate) fn into_layer(self, time: Epoch) -> io::Result<Layer> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, entry) in &self.0 {
            entry.append(&mut tar, path, time)?;
        }
        let tar = tar.into_inner()?;
        Ok(Layer { gzip: gzip(&tar), diff_id: Digest::of(&tar) })
    }
}

impl Entry {
    fn append<W: io::Write>(&self, tar: &mut tar::Builder<W>, path: &str, time: Epoch) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(time.0);
        header.set_uid(0);
        header.set_gid(0);
        let bytes: &[u8] = match self {
            Self::Folder { mode } => describe(&mut header, tar::EntryType::Directory, *mode, &[]),
            Self::File { mode, bytes } => describe(&mut header, tar::EntryType::Regular, *mode, bytes),
            Self::Link { target } => {
                header.set_link_name(target)?;
                describe(&mut header, tar::EntryType::Symlink, 0o777, &[])
            }
        };
        tar.append_data(&mut header, path, bytes)
    }
}

fn describe<'a>(header: &mut tar::Header, kind: tar::EntryType, mode: u32, bytes: &'a [u8]) -> &'a [u8] {
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    bytes
}

#[cfg(test)]
mod tests {
    use super::Files;
    use crate::digest::Digest;
    use crate::epoch::Epoch;

    fn files(order: &[&str]) -> Files {
        let mut files = Files::default();
        for name in order {
            files.file(name, 0o644, name.as_bytes().to_vec());
        }
        files.folder("opt", 0o755);
        files.link("opt/charm", "charm-runner");
        files
    }

    #[test]
    fn the_order_of_adding_does_not_matter() {
        let [first, second] =
            [files(&["a", "b"]), files(&["b", "a"])].map(|files| files.into_layer(Epoch(5)).unwrap());
        assert_eq!(first.gzip, second.gzip);
        assert_eq!(first.diff_id, second.diff_id);
    }

    /// If this changes, every image changes its digest: after a new version of `tar` or `miniz_oxide`, say
    /// so in the change log and take the new digest.
    #[test]
    fn the_bytes_are_the_ones_of_yesterday() {
        let layer = files(&["a", "b"]).into_layer(Epoch(1_700_000_000)).unwrap();
        assert_eq!(
            Digest::of(&layer.gzip).as_str(),
            "sha256:5de8aff593a8da6c8e810b608d2086115005620cb126e717763b10b7910e0db8"
        );
        assert_eq!(
            layer.diff_id.as_str(),
            "sha256:de1de93263ff284121b6222ceea13ac39460904d211614d7b110c1399b3fa79c"
        );
    }
}
