//! Bundles: whatever is taken stays in its folder, and the `tar` crate reads the same from it.
//!
//! The first byte says what the rest is: a gzip file, a tar archive, or the lines that one is made
//! from: type, name, target and content, with blanks between.

#![no_main]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use airlock_bundle::{Limits, Summary, check, unpack};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use tar::{Archive, EntryType, Header};

const LIMITS: Limits = Limits { files: 40, bytes: 64 * 1024 };

/// In memory: what is unpacked is also synced.
const FOLDER: &str = "/dev/shm";

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let archive = match kind % 3 {
        0 => rest.to_vec(),
        1 => gz(rest),
        _ => gz(&lines(&String::from_utf8_lossy(rest))),
    };
    match check(&archive[..], &LIMITS) {
        Ok(summary) => accepted(&archive, summary),
        Err(fault) => assert!(fault.is_of_archive() && !fault.to_string().contains('\n'), "{fault}"),
    }
});

fn accepted(archive: &[u8], summary: Summary) {
    assert!(summary.files <= LIMITS.files && summary.bytes <= LIMITS.bytes);
    let folder = tempfile::tempdir_in(FOLDER).expect("a folder");
    let root = folder.path().join("dags");
    assert_eq!(unpack(archive, &LIMITS, &root).expect("as checked"), summary);
    assert_eq!(walk(&root, &root), summary.files);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);

    let mut bytes = 0;
    for entry in Archive::new(GzDecoder::new(archive)).entries().expect("an archive") {
        let entry = entry.expect("an entry");
        if entry.header().entry_type().is_pax_global_extensions() {
            continue; // which are no entries, but are given as such
        }
        // Without a slash at the end, by which a link would be followed.
        let path: PathBuf = root.join(entry.path().expect("a path")).components().collect();
        assert!(path.starts_with(&root) && path.symlink_metadata().is_ok(), "{}", path.display());
        bytes += entry.size();
    }
    assert_eq!(bytes, summary.bytes);
}

/// Counts what is in a folder, and sees that all of it really is there.
fn walk(folder: &Path, root: &Path) -> u64 {
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let meta = path.symlink_metadata().expect("what it is");
        assert!(meta.is_dir() || meta.is_file() || meta.is_symlink());
        if let Ok(real) = path.canonicalize() {
            assert!(real.starts_with(root), "{} is {}", path.display(), real.display());
        }
        count += 1 + if meta.is_dir() { walk(&path, root) } else { 0 };
    }
    count
}

fn lines(text: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let kind = fields.next().and_then(|kind| kind.bytes().next()).unwrap_or(b'0');
        let mut next = || fields.next().unwrap_or_default().as_bytes();
        let (name, target, content) = (next(), next(), next());
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::new(kind));
        header.set_size(content.len() as u64);
        let old = header.as_old_mut();
        old.name.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        old.linkname.iter_mut().zip(target).for_each(|(to, from)| *to = *from);
        header.set_cksum();
        tar.extend(header.as_bytes());
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}
