//! The tar archive as a stream of bytes: unzipped, counted, and read to its very end.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use crate::{
    fault::{Fault, Name},
    limits::Limits,
};

/// The unit of tar.
pub(crate) const BLOCK: usize = 512;

/// An unzipped archive.
pub(crate) struct Tape<R> {
    bytes: GzDecoder<BufReader<Source<R>>>,
    /// How many bytes may still come.
    left: u64,
    limits: Limits,
    /// The last entry, for what is said of faults.
    at: Name,
}

impl<R: Read> Tape<R> {
    pub(crate) fn new(archive: R, limits: Limits) -> Self {
        let source = BufReader::with_capacity(1 << 16, Source { inner: archive, fault: None });
        Self { bytes: GzDecoder::new(source), left: limits.tape(), limits, at: Name::BEGINNING }
    }

    /// Says which entry is being read.
    pub(crate) fn comes_to(&mut self, entry: &[u8]) {
        self.at = Name::new(entry);
    }

    /// The entry that is being read.
    pub(crate) fn at(&self) -> Name {
        self.at.clone()
    }

    /// What the tape holds here instead of what it should.
    pub(crate) fn wrong(&self, what: &'static str) -> Fault {
        Fault::Tar { after: self.at(), what }
    }

    /// The next block.
    pub(crate) fn block(&mut self) -> Result<[u8; BLOCK], Fault> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        Ok(block)
    }

    /// Fills the buffer.
    pub(crate) fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Fault> {
        while !buffer.is_empty() {
            match self.some(buffer)? {
                0 => return Err(Fault::CutOff { after: self.at() }),
                count => buffer = buffer.get_mut(count..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Passes over what fills the last block of some content.
    pub(crate) fn padding(&mut self, content: u64) -> Result<(), Fault> {
        let over = usize::try_from(content % BLOCK as u64).unwrap_or_default();
        let mut block = [0; BLOCK];
        if over == 0 { Ok(()) } else { self.fill(&mut block[over..]) }
    }

    /// Sees that nothing comes but zeros, which tar ends with, and that gzip ends well.
    pub(crate) fn end(mut self) -> Result<(), Fault> {
        let mut buffer = [0; 8192];
        loop {
            match self.some(&mut buffer)? {
                0 => break,
                count if buffer[..count].iter().any(|byte| *byte != 0) => return Err(Fault::Trailing),
                _ => {}
            }
        }
        match self.bytes.get_mut().fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(Fault::Trailing),
            Err(cause) => Err(self.fault(cause)),
        }
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let count = loop {
            match self.bytes.read(buffer) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|cause| self.fault(cause))?,
            }
        };
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(Fault::TooManyBytes { limit: self.limits.bytes, entry: self.at() }),
        }
        Ok(count)
    }

    /// Tells what is wrong with the archive from what is wrong with where it comes from.
    fn fault(&mut self, cause: io::Error) -> Fault {
        match self.bytes.get_mut().get_mut().fault.take() {
            Some(cause) => Fault::Read(cause),
            None if cause.kind() == io::ErrorKind::UnexpectedEof => Fault::CutOff { after: self.at() },
            None => Fault::Gzip(cause.to_string()),
        }
    }
}

/// Where the archive comes from, and what went wrong there.
struct Source<R> {
    inner: R,
    fault: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|cause| match cause.kind() {
            io::ErrorKind::Interrupted => cause,
            kind => {
                self.fault = Some(cause);
                kind.into()
            }
        })
    }
}
