//! What stands before an entry's content: its header, and those that give it a longer name.

use std::io::Read;

use tar::{EntryType, Header};

use crate::{
    fault::{Fault, Why},
    tape::{BLOCK, Tape},
};

/// How much a header that only names something may hold.
const EXTENSION: u64 = 64 * 1024;

/// What comes next on the tape. Its content, if it is a file, is next.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    File {
        size: u64,
        is_executable: bool,
    },
    Folder,
    /// A symbolic link, with what it says.
    Link(Vec<u8>),
    /// Another name for a file that came before, with that one's name.
    HardLink(Vec<u8>),
}

/// Names that are too long for a header, which come before it in ones of their own.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    /// Whether an entry must follow.
    is_there: bool,
    has_pax: bool,
}

/// The next entry; none at the end, of which the first block has been read.
pub(crate) fn next(tape: &mut Tape<impl Read>) -> Result<Option<Entry>, Fault> {
    let mut extension = Extension::default();
    loop {
        let block = tape.block()?;
        if block.iter().all(|byte| *byte == 0) {
            return if extension.is_there { Err(tape.wrong("a header for an entry, and no entry")) } else { Ok(None) };
        }
        let header = Header::from_byte_slice(&block);
        if header.cksum().ok() != Some(checksum(&block)) {
            return Err(tape.wrong("no header, or a damaged one"));
        }
        let size = size(header).ok_or_else(|| tape.wrong("a header whose size is no number"))?;
        match header.entry_type() {
            EntryType::XHeader => {
                if extension.has_pax {
                    return Err(tape.wrong("an entry with two pax headers"));
                }
                (extension.is_there, extension.has_pax) = (true, true);
                let records = content(tape, size)?;
                for (key, value) in pax(&records).ok_or_else(|| tape.wrong("a pax header with no sense"))? {
                    extension.take(tape, key, value)?;
                }
            }
            // Some readers would give it the name that was meant for the entry.
            EntryType::XGlobalHeader if extension.is_there => {
                return Err(tape.wrong("a header for all entries where an entry must come"));
            }
            EntryType::XGlobalHeader => {
                // `git archive` puts the commit's id there. What would change entries is not taken.
                let records = content(tape, size)?;
                for (key, _) in pax(&records).ok_or_else(|| tape.wrong("a pax header with no sense"))? {
                    if changes_entries(key) {
                        return Err(tape.wrong("a header that names or sizes all entries"));
                    }
                }
            }
            EntryType::GNULongName => {
                extension.is_there = true;
                let name = content(tape, size)?;
                extension.take(tape, b"path", without_zero(&name))?;
            }
            EntryType::GNULongLink => {
                extension.is_there = true;
                let target = content(tape, size)?;
                extension.take(tape, b"linkpath", without_zero(&target))?;
            }
            _ => return entry(tape, header, size, extension).map(Some),
        }
    }
}

impl Extension {
    /// Keeps what the tape says of the next entry. Said twice, readers would differ.
    fn take(&mut self, tape: &Tape<impl Read>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let place = match key {
            b"path" => &mut self.name,
            b"linkpath" => &mut self.target,
            b"size" => &mut self.size,
            _ if changes_entries(key) => return Err(tape.wrong("a sparse file")),
            _ => return Ok(()), // times, owners, attributes: nothing that a bundle keeps
        };
        match place.replace(value.to_owned()) {
            Some(_) => Err(tape.wrong("an entry with two names or sizes")),
            None => Ok(()),
        }
    }
}

/// Whether a record of pax changes what an entry is.
fn changes_entries(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.")
}

fn entry(tape: &Tape<impl Read>, header: &Header, size: u64, extension: Extension) -> Result<Entry, Fault> {
    if extension.size.is_some_and(|said| said != size.to_string().as_bytes()) {
        return Err(tape.wrong("an entry with two sizes"));
    }
    let name = extension.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let target = || extension.target.or_else(|| header.link_name_bytes().map(Vec::from)).unwrap_or_default();
    let kind = match header.entry_type() {
        // As old archives write folders.
        EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous => {
            Kind::File { size, is_executable: header.mode().is_ok_and(|mode| mode & 0o100 != 0) }
        }
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Link(target()),
        EntryType::Link => Kind::HardLink(target()),
        EntryType::Char | EntryType::Block => return Err(Why::Device.of(&name)),
        EntryType::Fifo => return Err(Why::Fifo.of(&name)),
        other => return Err(Why::Kind(other.as_byte()).of(&name)),
    };
    if size > 0 && !matches!(kind, Kind::File { .. }) {
        return Err(Why::Content.of(&name));
    }
    Ok(Entry { name, kind })
}

/// The size of what follows a header. Some writers leave it empty where there is nothing.
fn size(header: &Header) -> Option<u64> {
    let field = &header.as_old().size;
    let is_empty = field.iter().all(|byte| matches!(byte, 0 | b' '));
    if is_empty { Some(0) } else { header.entry_size().ok() }
}

/// The sum of a header's bytes, of which those of the sum itself count as blanks.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let byte = |(at, byte): (usize, &u8)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

/// The content of a header that only names something.
fn content(tape: &mut Tape<impl Read>, size: u64) -> Result<Vec<u8>, Fault> {
    if size > EXTENSION {
        return Err(tape.wrong("a header of more than 64 KiB"));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    tape.fill(&mut bytes)?;
    tape.padding(size)?;
    Ok(bytes)
}

/// A long name without the zero at its end. What follows a zero before that is not left out, as some
/// readers do and others do not: such a name is refused later, as one that is no text.
fn without_zero(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"\0").unwrap_or(name)
}

/// The records of a pax header, `<length> <key>=<value>\n` each; none when it is something else.
/// A value may hold anything, so its length is what counts.
fn pax(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|byte| *byte == b' ')?;
        let digits = std::str::from_utf8(bytes.get(..blank)?).ok()?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (record, rest) = bytes.split_at_checked(digits.parse().ok()?)?;
        let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((record.get(..equals)?, record.get(equals + 1..)?));
        bytes = rest;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_pax() {
        let records = pax(b"10 path=a\n19 x=two\nlines\xff==.\n").expect("records");
        assert_eq!(records, [(&b"path"[..], &b"a"[..]), (b"x", b"two\nlines\xff==.")]);
        for nonsense in [
            "x",
            " ",
            "10 path=a",
            "8 path=a\n",
            "11 path=a\n",
            "3 a\n",
            "+10 path=a",
            "2 ",
            "0 ",
            "99999999999999999999 a=b\n",
        ] {
            assert_eq!(pax(nonsense.as_bytes()), None, "{nonsense:?}");
        }
    }
}
