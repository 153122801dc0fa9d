//! Archives, byte by byte: the `tar` crate's own builder makes no bad ones.

#![allow(dead_code, reason = "each suite uses some")]

use std::io::Write;

use airlock_bundle::{Fault, Limits, Summary, check, unpack};
use flate2::{Compression, write::GzEncoder};
use tar::{EntryType, Header};

/// Enough for every archive of the tests, and little to fill.
pub(crate) const LIMITS: Limits = Limits { files: 20, bytes: 10_000 };

/// A tar archive that is being made.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.entry(b'0', name.as_bytes(), b"", content.as_bytes())
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(b'5', name.as_bytes(), b"", b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name.as_bytes(), target.as_bytes(), b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name.as_bytes(), target.as_bytes(), b"")
    }

    /// An entry of any type, with whatever names fit into its header.
    pub(crate) fn entry(self, kind: u8, name: &[u8], target: &[u8], content: &[u8]) -> Self {
        self.header(kind, name, target, content.len() as u64).content(content)
    }

    /// A header of pax that says things of the next entry.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.entry(b'x', b"pax", b"", &pax(records))
    }

    pub(crate) fn header(mut self, kind: u8, name: &[u8], target: &[u8], size: u64) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o4755);
        header.set_size(size);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self
    }

    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive, ended as tar does.
    pub(crate) fn ended(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    pub(crate) fn gz(self) -> Vec<u8> {
        gz(&self.ended())
    }
}

pub(crate) fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let with = |digits: usize| rest.len() + digits;
        let digits = (1..).find(|digits| with(*digits).to_string().len() == *digits).expect("some length");
        format!("{}{rest}", with(digits)).into_bytes()
    };
    records.iter().flat_map(record).collect()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// What is made of an archive. [`check`] and [`unpack`] must say the same, and where one is refused
/// nothing is left.
#[track_caller]
pub(crate) fn judge(archive: &[u8], limits: &Limits) -> Result<(Summary, tempfile::TempDir), Fault> {
    let folder = tempfile::tempdir().expect("a folder");
    let into = folder.path().join("dags");
    let (checked, unpacked) = (check(archive, limits), unpack(archive, limits, &into));
    match (checked, unpacked) {
        (Ok(checked), Ok(unpacked)) => {
            assert_eq!(checked, unpacked);
            Ok((checked, folder))
        }
        (Err(checked), Err(unpacked)) => {
            assert_eq!(checked.to_string(), unpacked.to_string());
            assert!(checked.is_of_archive(), "{checked}");
            assert!(!into.exists(), "nothing is left");
            Err(checked)
        }
        (checked, unpacked) => panic!("{checked:?} and {unpacked:?}"),
    }
}
