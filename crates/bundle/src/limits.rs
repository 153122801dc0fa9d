//! How much an archive may hold.

/// How much an archive may hold once it is unpacked. The default is 50,000 files and 1 GiB, far
/// above folders of Dags and far below what fills a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many files, folders and links, with the folders that only their paths name.
    pub files: u64,
    /// How many bytes the files have together.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 50_000, bytes: 1 << 30 }
    }
}

impl Limits {
    /// How long the tar archive itself may be: the files, what stands before and after each, and
    /// the end's padding. Without this bound, headers without files would go on for ever.
    pub(crate) fn tape(self) -> u64 {
        const PER_FILE: u64 = 4096; // a header, and one with a long name
        const END: u64 = 1 << 20;
        self.bytes.saturating_add(self.files.saturating_mul(PER_FILE)).saturating_add(END)
    }
}

/// How much an archive holds, counted as its [`Limits`] are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files, folders and links.
    pub files: u64,
    /// The bytes of the files.
    pub bytes: u64,
}
