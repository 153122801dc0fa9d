//! A set of permissions.

use airlock_contract::permissions::Action;

const WORDS: usize = Action::ALL.len().div_ceil(64);

/// A set of permissions, as bits: it is compared on every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions([u64; WORDS]);

impl Permissions {
    /// Adds a permission.
    pub fn insert(&mut self, action: Action) {
        let at = action as usize;
        self.0[at / 64] |= 1 << (at % 64);
    }

    /// Whether the permission is in the set.
    pub fn contains(&self, action: Action) -> bool {
        let at = action as usize;
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    /// What is in either set.
    pub fn union(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine |= theirs);
        self
    }

    /// The permissions, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(|action| self.contains(*action))
    }

    /// Their names, in the order of the table.
    pub fn names(&self) -> Vec<String> {
        self.iter().map(|action| action.name().to_owned()).collect()
    }

    /// The set of the named permissions. Names that are gone from the table permit nothing.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(Action::named).collect()
    }
}

impl FromIterator<Action> for Permissions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        let mut set = Self::default();
        actions.into_iter().for_each(|action| set.insert(action));
        set
    }
}
