//! What an archive has had so far, by path: what may still come follows from it.

use std::collections::BTreeMap;

use crate::{
    fault::{Fault, Name, Why},
    limits::Limits,
    path::{folders_above, steps},
};

/// How many links a path may lead through, as on Linux.
const HOPS: u32 = 40;

/// How many steps are walked to find out where all links lead. Honest folders need a few for each.
const STEPS: u32 = 1_000_000;

/// Everything in the bundle's folder.
pub(crate) struct Tree {
    things: BTreeMap<String, Thing>,
    limits: Limits,
}

enum Thing {
    Folder,
    File,
    /// A symbolic link, with what it says.
    Link(String),
}

impl Tree {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { things: BTreeMap::new(), limits }
    }

    /// How many files, folders and links there are.
    pub(crate) fn len(&self) -> u64 {
        self.things.len() as u64
    }

    /// Adds a folder, which may be there already, and those above it; gives those that are new.
    pub(crate) fn add_folder(&mut self, path: &str) -> Result<Vec<String>, Fault> {
        let mut new = Vec::new();
        let itself = (!path.is_empty()).then_some(path);
        for folder in folders_above(path).chain(itself) {
            match self.things.get(folder) {
                Some(Thing::Folder) => {}
                Some(_) if folder == path => return Err(Why::Twice.of(path.as_bytes())),
                Some(_) => return Err(Why::Below(Name::new(folder.as_bytes())).of(path.as_bytes())),
                None => {
                    self.add(folder, Thing::Folder)?;
                    new.push(folder.to_owned());
                }
            }
        }
        Ok(new)
    }

    /// Adds a file; gives the folders above it that are new.
    pub(crate) fn add_file(&mut self, path: &str) -> Result<Vec<String>, Fault> {
        self.add_in_folder(path, Thing::File)
    }

    /// Adds a symbolic link; gives the folders above it that are new.
    pub(crate) fn add_link(&mut self, path: &str, target: String) -> Result<Vec<String>, Fault> {
        self.add_in_folder(path, Thing::Link(target))
    }

    fn add_in_folder(&mut self, path: &str, thing: Thing) -> Result<Vec<String>, Fault> {
        if path.is_empty() {
            return Err(Why::Nameless.of(b"."));
        }
        let new = match path.rfind('/').and_then(|at| path.get(..at)) {
            Some(folder) => self.add_folder(folder).map_err(|fault| about(path, fault))?,
            None => Vec::new(),
        };
        if self.things.contains_key(path) {
            return Err(Why::Twice.of(path.as_bytes()));
        }
        self.add(path, thing)?;
        Ok(new)
    }

    fn add(&mut self, path: &str, thing: Thing) -> Result<(), Fault> {
        if self.len() >= self.limits.files {
            return Err(Fault::TooManyFiles { limit: self.limits.files, entry: Name::new(path.as_bytes()) });
        }
        self.things.insert(path.to_owned(), thing);
        Ok(())
    }

    pub(crate) fn has_file(&self, path: &str) -> bool {
        matches!(self.things.get(path), Some(Thing::File))
    }

    /// The symbolic links: where each is, and what it says.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.things.iter().filter_map(|(path, thing)| match thing {
            Thing::Link(target) => Some((path.as_str(), target.as_str())),
            _ => None,
        })
    }

    /// Sees that no link leads outside, also not by way of others. It may lead to nothing.
    ///
    /// This is only known when all are there: in `a/up/../x`, `..` is what is above the folder that
    /// `a/up` leads to.
    pub(crate) fn expect_links_inside(&self) -> Result<(), Fault> {
        let mut left = STEPS;
        for (path, target) in self.links() {
            let folder = path.rfind('/').and_then(|at| path.get(..at)).unwrap_or_default();
            self.follow(folder, path, target, &mut left)?;
        }
        Ok(())
    }

    /// Walks from a folder as a link says; `left` is how many steps may still be taken.
    fn follow(&self, folder: &str, link: &str, target: &str, left: &mut u32) -> Result<(), Fault> {
        let refused = |why: fn(Name) -> Why| why(Name::new(target.as_bytes())).of(link.as_bytes());
        let mut here = folder.to_owned();
        let mut ahead = Vec::new(); // the next step is the last
        let mut hops = 0;
        let mut says = Some(target);
        loop {
            if let Some(target) = says.take() {
                if target.starts_with('/') {
                    return Err(refused(Why::Outside));
                }
                hops += 1;
                if hops > HOPS {
                    return Err(refused(Why::Circle));
                }
                ahead.extend(steps(target).rev());
            }
            let Some(step) = ahead.pop() else { return Ok(()) };
            *left = left.checked_sub(1).ok_or(Fault::Entangled)?;
            let above = here.rfind('/').unwrap_or_default();
            if step == ".." {
                if here.is_empty() {
                    return Err(refused(Why::Outside));
                }
                here.truncate(above);
                continue;
            }
            let length = here.len();
            if !here.is_empty() {
                here.push('/');
            }
            here.push_str(step);
            if let Some(Thing::Link(target)) = self.things.get(&here) {
                here.truncate(length);
                says = Some(target);
            }
        }
    }
}

/// A fault with a folder above an entry is the entry's.
fn about(path: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Entry { entry, why: Why::Twice } => Why::Below(entry).of(path.as_bytes()),
        Fault::Entry { why, .. } => why.of(path.as_bytes()),
        other => other,
    }
}
