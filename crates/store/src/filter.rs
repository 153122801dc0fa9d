//! Conditions that grow with what a list is asked for, with the values of their placeholders.

use airlock_contract::OrganizationId;
use airlock_core::Result;

use crate::{
    Page,
    db::{FromRow, Reads, Value, placeholders},
    page::total,
    subjects::JOIN_SUBJECTS,
};

/// A condition on a table `t`.
#[derive(Default)]
pub(crate) struct Filter<'a> {
    conditions: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Filter<'a> {
    /// Everything of one Organization.
    pub(crate) fn of_organization(organization: &'a OrganizationId) -> Self {
        let mut filter = Self::default();
        filter.among("t.organization_id", [organization]);
        filter
    }

    /// The placeholders for some values, which are remembered.
    pub(crate) fn bind<V: Into<Value<'a>>>(&mut self, values: impl IntoIterator<Item = V>) -> String {
        let first = self.values.len() + 1;
        self.values.extend(values.into_iter().map(Into::into));
        placeholders(first, self.values.len() + 1 - first)
    }

    /// Demands that the column has one of the values.
    pub(crate) fn among<V: Into<Value<'a>>>(&mut self, column: &str, values: impl IntoIterator<Item = V>) {
        let these = self.bind(values);
        self.require(format!("{column} IN ({these})"));
    }

    /// Demands one more condition.
    pub(crate) fn require(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// Whether anything fulfils all conditions.
    pub(crate) async fn matches(self, db: &impl Reads, from: &str) -> Result<bool> {
        Ok(self.count(db, from).await? > 0)
    }

    /// How much fulfils all conditions.
    pub(crate) async fn count(&self, db: &impl Reads, from: &str) -> Result<i64> {
        let sql = format!("SELECT COUNT(*) FROM {from} WHERE {}", self.conditions.join(" AND "));
        db.conn().count(&sql, &self.values).await
    }

    /// Reads what fulfils all conditions, in the order and of the number that `tail` says.
    pub(crate) async fn rows<T: FromRow>(
        &self,
        db: &impl Reads,
        columns: &str,
        from: &str,
        tail: &str,
    ) -> Result<Vec<T>> {
        let sql = format!("SELECT {columns} FROM {from} WHERE {} {tail}", self.conditions.join(" AND "));
        db.conn().all(&sql, &self.values).await
    }

    /// Reads a page of what fulfils all conditions, with who made each, and counts all of it.
    ///
    /// `of` has the table `t` and what the conditions need; `joins` what the columns need besides. The
    /// page is found in an index before anything else of its records is read: with thousands of
    /// records before the page, reading them whole would be nearly all of the work.
    pub(crate) async fn page<T: FromRow>(
        self,
        db: &impl Reads,
        columns: &str,
        of: &str,
        joins: &str,
        page: &Page,
    ) -> Result<(Vec<T>, u32)> {
        db.conn().begin_snapshot().await?;
        let matching = self.conditions.join(" AND ");
        let count = db.conn().count(&format!("SELECT COUNT(*) FROM {of} WHERE {matching}"), &self.values).await?;
        let order = page.order(db.conn(), "t");
        let window = page.clauses(db.conn(), "t");
        // SQLite takes the sides of a CROSS JOIN in the order in which they are written.
        let sql = format!(
            "SELECT {columns} FROM (SELECT t.id AS id_in_page FROM {of} WHERE {matching}{window}) p \
             CROSS JOIN {of}{joins}{JOIN_SUBJECTS} WHERE t.id = p.id_in_page AND {matching}{order}"
        );
        Ok((db.conn().all(&sql, &self.values).await?, total(count)))
    }
}
