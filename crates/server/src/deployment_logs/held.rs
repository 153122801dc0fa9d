//! Text of logs in memory, on its way to the database. All of it together is bounded.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many bytes are held at the most.
const MOST: usize = 32 << 20;

/// What a piece takes besides its text, about.
const OVERHEAD: usize = 512;

/// The bytes that are held now.
#[derive(Clone, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let taken = |held: usize| held.checked_add(bytes).filter(|held| *held <= MOST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

/// A piece of text that counts as held until it is dropped.
pub(super) struct Held {
    budget: Budget,
    text: Vec<u8>,
    /// Whether nothing of it had to be left out.
    is_whole: bool,
}

impl Held {
    /// An empty piece; `None` when too much is held already.
    pub(super) fn begin(budget: &Budget) -> Option<Self> {
        budget.take(OVERHEAD).then(|| Self { budget: budget.clone(), text: Vec::new(), is_whole: true })
    }

    /// Adds text. When there is no room for it, the piece is given up, and takes no room itself.
    pub(super) fn push(&mut self, more: &[u8]) {
        if !self.is_whole {
            return;
        }
        if self.budget.take(more.len()) {
            self.text.extend_from_slice(more);
        } else {
            self.is_whole = false;
            let text = mem::take(&mut self.text);
            self.budget.0.fetch_sub(text.len(), Ordering::Relaxed);
        }
    }

    /// The text, if it is whole.
    pub(super) fn text(&self) -> Option<&[u8]> {
        self.is_whole.then_some(&*self.text)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.text.len() + OVERHEAD, Ordering::Relaxed);
    }
}

/// A copy of a body, made while it goes through the gate.
#[derive(Clone)]
pub(crate) struct LogCopy(Arc<Mutex<Option<Held>>>);

impl LogCopy {
    pub(super) fn of(held: Held) -> Self {
        Self(Arc::new(Mutex::new(Some(held))))
    }

    /// Adds what has come.
    pub(crate) fn push(&self, bytes: &[u8]) {
        if let Some(held) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            held.push(bytes);
        }
    }

    /// What came together.
    pub(super) fn take(&self) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes all the room that there is.
#[cfg(test)]
pub(super) fn full(budget: &Budget) -> Held {
    let mut held = Held::begin(budget).expect("room");
    held.push(&vec![0; MOST - OVERHEAD]);
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = Budget::default();
        let mut first = Held::begin(&budget).expect("room");
        first.push(&vec![0; MOST - 3 * OVERHEAD]);
        let mut second = Held::begin(&budget).expect("room");
        second.push(&[0; OVERHEAD]);
        assert!(Held::begin(&budget).is_none());
        second.push(b"x");
        assert_eq!(second.text(), None);
        second.push(b"x");
        assert_eq!(first.text().map(<[u8]>::len), Some(MOST - 3 * OVERHEAD));
        drop((first, second));
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }
}
