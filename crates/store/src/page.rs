//! Pages of lists, in any order that the API offers.

use std::collections::HashSet;

use airlock_contract::wire::Paged;

use crate::db::Conn;

/// Which page of a list, and in which order.
#[derive(Clone, Debug)]
pub struct Page {
    offset: u32,
    limit: u32,
    keys: Vec<airlock_contract::wire::SortKey>,
}

impl Page {
    /// The page that a query asks for.
    pub fn of(query: &impl Paged) -> Self {
        Self { offset: query.offset(), limit: query.limit(), keys: query.sort_keys() }
    }

    /// The clauses after `WHERE`: the order and the window.
    pub(crate) fn clauses(&self, conn: &Conn, table: &str) -> String {
        format!("{} LIMIT {} OFFSET {}", self.order(conn, table), self.limit, self.offset)
    }

    /// The window, of all records in their order.
    pub(crate) fn window<T>(&self, all: Vec<T>) -> Vec<T> {
        let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
        all.into_iter().skip(size(self.offset)).take(size(self.limit)).collect()
    }

    /// A stable order, with the id as the last key so that pages do not overlap. Newest first when
    /// no order was asked for.
    pub(crate) fn order(&self, conn: &Conn, table: &str) -> String {
        let mut keys = self.keys.iter().map(|key| (key.column, key.descending)).collect::<Vec<_>>();
        // A column counts where it stands first; SQLite takes only so many keys.
        let mut seen = HashSet::new();
        keys.retain(|(column, _)| seen.insert(*column));
        if keys.is_empty() {
            keys.push(("created_at", true));
        }
        keys.push(("id", false));
        let keys = keys.iter().map(|(column, descending)| {
            let collate = if column.ends_with("_at") { "" } else { conn.text_order() };
            format!("{table}.{column}{collate}{}", if *descending { " DESC" } else { "" })
        });
        format!(" ORDER BY {}", keys.collect::<Vec<_>>().join(", "))
    }
}

/// `totalCount`, as the API types it.
pub(crate) fn total(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
