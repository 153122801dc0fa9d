//! What a bundle of Dags may be, and how it becomes a folder.
//!
//! A bundle is a gzipped tar archive of a folder of Dags, as `tar -czf` and the `astro` CLI make
//! it. Whoever may deploy chooses every byte of it, and it is unpacked on the machines of others:
//!
//! - Nothing lies or leads outside its folder, and nothing is there but files, folders and links.
//! - It can be read in one way only: what two readers of tar could understand differently is
//!   refused, not repaired.
//! - It is read as a stream, in memory that does not grow with its files, and what it says of its
//!   own size is not believed.
//!
//! [`check`] says whether an archive is one; [`unpack`] makes the folder, by the same code.
//!
//! ```
//! use airlock_bundle::{Fault, Limits, check};
//!
//! let fault = check(&b"Hello."[..], &Limits::default()).expect_err("no archive");
//! assert!(fault.is_of_archive());
//! ```

mod fault;
mod folder;
mod headers;
mod limits;
mod path;
mod tape;
mod tree;
mod walk;

pub use fault::{Fault, Name, Why};
pub use folder::unpack;
pub use limits::{Limits, Summary};
pub use walk::check;
