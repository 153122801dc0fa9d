//! Archives of code, as clients make them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

/// A `.tar.gz` with these files.
pub fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    archive_of(files.iter().map(|(path, text)| (*path, text.as_bytes())))
}

/// A `.tar.gz` with these files, of any bytes.
pub fn archive_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).expect("a small file"));
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).expect("appended");
    }
    gzip(&tar.into_inner().expect("finished"))
}

/// A `.tar.gz` with one entry whose path is written as it is given, however wrong, and which links to
/// `target` if there is one.
pub fn odd_archive(path: &str, target: Option<&str>) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    if let Some(target) = target {
        header.set_entry_type(EntryType::Symlink);
        header.set_link_name_literal(target).expect("a short name");
    }
    header.set_cksum();
    let mut tar = Builder::new(Vec::new());
    tar.append(&header, &[][..]).expect("appended");
    gzip(&tar.into_inner().expect("finished"))
}

/// Bytes, compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("written");
    gzip.finish().expect("finished")
}
