//! One face for two databases: values in, rows out.
//!
//! SQL is written once, with `$1` placeholders. Rows are read by position, in the order of the
//! column list that [`record!`] makes from the same declaration.

use airlock_contract::{
    AgentId, AgentJobId, AgentTokenId, AllowedIpAddressRangeId, ApiTokenId, ClusterId, DeployId, DeploymentId,
    EnvironmentObjectId, InviteId, OrganizationId, RoleHolderId, RoleId, SubjectId, TarballVersion, TeamId, Time,
    UserId, WorkspaceId,
};
use airlock_core::{Error, Result, api_token::TokenHash};
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut};

use crate::{
    Reading, Writing,
    authority::{Authority, Change, replica},
    postgres, sqlite,
    upkeep::Upkeep,
};

/// A handle through which the database can be read: any of the three.
pub trait Reads: Send + Sync + sealed::Sealed {}
impl Reads for Reading {}
impl Reads for Writing {}

pub(crate) mod sealed {
    /// Gives the connection behind a handle, to this crate only.
    pub trait Sealed {
        #[doc(hidden)]
        fn conn(&self) -> &super::Conn;
    }
}
impl sealed::Sealed for Reading {
    fn conn(&self) -> &Conn {
        &self.conn
    }
}
impl sealed::Sealed for Writing {
    fn conn(&self) -> &Conn {
        &self.conn
    }
}
impl sealed::Sealed for Upkeep {
    fn conn(&self) -> &Conn {
        &self.conn
    }
}

/// A connection of either kind, for reading or within a transaction.
pub enum Conn {
    SqliteRead(sqlite::Reader),
    SqliteWrite(sqlite::Writer),
    Postgres(postgres::Connection),
    PostgresWrite(postgres::Transaction),
}

impl Conn {
    /// Runs a statement; answers how many rows it touched.
    pub(crate) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        match self {
            Self::SqliteRead(reader) => reader.with(|conn| sqlite::execute(conn, sql, values)),
            Self::SqliteWrite(writer) => writer.with(|conn| sqlite::execute(conn, sql, values)),
            Self::Postgres(connection) => postgres::execute(connection, sql, values).await,
            Self::PostgresWrite(transaction) => postgres::execute(transaction, sql, values).await,
        }
    }

    /// Runs a query; answers all rows.
    pub(crate) async fn all<T: FromRow>(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<T>> {
        match self {
            Self::SqliteRead(reader) => reader.with(|conn| sqlite::query(conn, sql, values)),
            Self::SqliteWrite(writer) => writer.with(|conn| sqlite::query(conn, sql, values)),
            Self::Postgres(connection) => postgres::query(connection, sql, values).await,
            Self::PostgresWrite(transaction) => postgres::query(transaction, sql, values).await,
        }
    }

    /// Runs a query; hands over one row after the other, so that they need not all fit into memory.
    pub(crate) async fn each<T: FromRow>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        take: impl FnMut(T) + Send,
    ) -> Result<()> {
        match self {
            Self::SqliteRead(reader) => reader.with(|conn| sqlite::each(conn, sql, values, take)),
            Self::SqliteWrite(writer) => writer.with(|conn| sqlite::each(conn, sql, values, take)),
            Self::Postgres(connection) => postgres::each(connection, sql, values, take).await,
            Self::PostgresWrite(transaction) => postgres::each(transaction, sql, values, take).await,
        }
    }

    /// Runs a query; answers the first row.
    pub(crate) async fn one<T: FromRow>(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<T>> {
        Ok(self.all(sql, values).await?.into_iter().next())
    }

    /// Runs a query that counts.
    pub(crate) async fn count(&self, sql: &str, values: &[Value<'_>]) -> Result<i64> {
        let row: Option<(i64,)> = self.one(sql, values).await?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Keeps the row as it is until the transaction ends, against others who want to change it.
    /// SQLite has one writer, so there it is kept already.
    pub(crate) async fn lock_row(&self, table: &'static str, id: &str) -> Result<()> {
        if let Self::PostgresWrite(transaction) = self {
            let sql = format!("SELECT 1 FROM {table} WHERE id = $1 FOR NO KEY UPDATE");
            postgres::execute(transaction, &sql, &[id.into()]).await?;
        }
        Ok(())
    }

    /// [`Self::lock_row`] for all Deployments of a Workspace, in an order that all who lock share.
    pub(crate) async fn lock_deployments_of(&self, workspace: &str) -> Result<()> {
        if let Self::PostgresWrite(transaction) = self {
            let sql = "SELECT 1 FROM deployments WHERE workspace_id = $1 ORDER BY id FOR NO KEY UPDATE";
            postgres::execute(transaction, sql, &[workspace.into()]).await?;
        }
        Ok(())
    }

    /// Keeps others from changing a table, or locking it likewise, until the transaction ends.
    pub(crate) async fn lock_table(&self, table: &'static str) -> Result<()> {
        if let Self::PostgresWrite(transaction) = self {
            let sql = format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE");
            postgres::execute(transaction, &sql, &[]).await?;
        }
        Ok(())
    }

    /// How a text column is put into an `ORDER BY`, so that both databases agree: by its bytes.
    pub(crate) fn text_order(&self) -> &'static str {
        match self {
            Self::SqliteRead(_) | Self::SqliteWrite(_) => "",
            Self::Postgres(_) | Self::PostgresWrite(_) => " COLLATE \"C\"",
        }
    }

    /// From here on, all answers are from one point in time, so that a count fits its page. A
    /// transaction that writes sees its own changes and, on SQLite, no others; there it is left.
    pub(crate) async fn begin_snapshot(&self) -> Result<()> {
        match self {
            Self::SqliteRead(reader) => reader.begin_snapshot(),
            Self::Postgres(connection) => connection.begin_snapshot().await,
            Self::SqliteWrite(_) | Self::PostgresWrite(_) => Ok(()),
        }
    }

    /// Undoes what was done. What it was refused for lasts, and holds everywhere, when it answers.
    pub(crate) async fn abandon(self, authority: &Authority) -> Result<()> {
        match self {
            Self::SqliteWrite(writer) => writer.abandon().await,
            Self::PostgresWrite(transaction) => replica::abandon(transaction, authority).await,
            Self::SqliteRead(_) | Self::Postgres(_) => Ok(()),
        }
    }

    /// Makes durable what was done, and lets memory follow `changes` before it answers.
    pub(crate) async fn commit(self, authority: &Authority, changes: Vec<Change>, at: Time) -> Result<()> {
        match self {
            Self::SqliteWrite(writer) => writer.commit(changes).await,
            Self::PostgresWrite(transaction) => replica::commit(transaction, authority, &changes, at).await,
            Self::SqliteRead(_) | Self::Postgres(_) => Err(Error::internal("a read handle cannot commit")),
        }
    }
}

/// A value for a placeholder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Bool(bool),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
}

macro_rules! values {
    ($($from:ty => |$value:ident| $to:expr;)*) => {$(
        impl<'a> From<$from> for Value<'a> {
            fn from($value: $from) -> Self { $to }
        }
    )*};
}
values! {
    i64 => |value| Value::Int(Some(value));
    Option<i64> => |value| Value::Int(value);
    u32 => |value| Value::Int(Some(value.into()));
    Option<u32> => |value| Value::Int(value.map(i64::from));
    Time => |value| Value::Int(Some(value.as_micros()));
    Option<Time> => |value| Value::Int(value.map(Time::as_micros));
    bool => |value| Value::Bool(value);
    &'a str => |value| Value::Text(Some(value));
    &'a String => |value| Value::Text(Some(value));
    Option<&'a str> => |value| Value::Text(value);
    &'a Option<String> => |value| Value::Text(value.as_deref());
    &'a [u8] => |value| Value::Bytes(Some(value));
    Option<&'a [u8]> => |value| Value::Bytes(value);
    &'a TokenHash => |value| Value::Bytes(Some(&value.0));
    &'a OrganizationId => |id| Value::Text(Some(id.as_str()));
    &'a WorkspaceId => |id| Value::Text(Some(id.as_str()));
    &'a ClusterId => |id| Value::Text(Some(id.as_str()));
    &'a DeployId => |id| Value::Text(Some(id.as_str()));
    &'a TarballVersion => |id| Value::Text(Some(id.as_str()));
    &'a DeploymentId => |id| Value::Text(Some(id.as_str()));
    &'a AgentId => |id| Value::Text(Some(id.as_str()));
    &'a AgentJobId => |id| Value::Text(Some(id.as_str()));
    &'a AgentTokenId => |id| Value::Text(Some(id.as_str()));
    &'a AllowedIpAddressRangeId => |id| Value::Text(Some(id.as_str()));
    &'a ApiTokenId => |id| Value::Text(Some(id.as_str()));
    &'a EnvironmentObjectId => |id| Value::Text(Some(id.as_str()));
    &'a RoleId => |id| Value::Text(Some(id.as_str()));
    &'a SubjectId => |id| Value::Text(Some(id.as_str()));
    &'a UserId => |id| Value::Text(Some(id.as_str()));
    &'a InviteId => |id| Value::Text(Some(id.as_str()));
    &'a TeamId => |id| Value::Text(Some(id.as_str()));
    &'a RoleHolderId => |id| Value::Text(Some(id.as_str()));
}
/// `params![a, b]` makes the values of the placeholders `$1`, `$2`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Value::from($value)),*] };
}
pub(crate) use params;

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Int(value) => value.map_or(ValueRef::Null, ValueRef::Integer),
            Self::Bool(value) => ValueRef::Integer(value.into()),
            Self::Text(value) => value.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.map_or(ValueRef::Null, ValueRef::Blob),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(value) => value.to_sql(kind, out),
            Self::Bool(value) => value.to_sql(kind, out),
            Self::Text(value) => value.to_sql(kind, out),
            Self::Bytes(value) => value.to_sql(kind, out),
        }
    }
    fn accepts(_: &Type) -> bool {
        true // a value of the wrong type is refused by the type itself, and by the tests on PostgreSQL
    }
    tokio_postgres::types::to_sql_checked!();
}

/// A row of either database, read from left to right.
pub(crate) struct Row<'a> {
    source: Source<'a>,
    at: usize,
}

enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl<'a> Row<'a> {
    pub(crate) fn sqlite(row: &'a rusqlite::Row<'a>) -> Self {
        Self { source: Source::Sqlite(row), at: 0 }
    }

    pub(crate) fn postgres(row: &'a tokio_postgres::Row) -> Self {
        Self { source: Source::Postgres(row), at: 0 }
    }

    /// The next column.
    pub(crate) fn take<T: Column>(&mut self) -> Result<T> {
        T::take(self)
    }

    fn native<T>(&mut self) -> Result<T>
    where
        T: FromSql + for<'b> tokio_postgres::types::FromSql<'b>,
    {
        let at = self.at;
        self.at += 1;
        match &self.source {
            Source::Sqlite(row) => row.get(at).map_err(|cause| crate::corrupt("column", cause)),
            Source::Postgres(row) => row.try_get(at).map_err(|cause| crate::corrupt("column", cause)),
        }
    }
}

/// A type that a column can be read as.
pub(crate) trait Column: Sized {
    fn take(row: &mut Row<'_>) -> Result<Self>;
}

macro_rules! native_columns {
    ($($kind:ty),*) => {$(
        impl Column for $kind {
            fn take(row: &mut Row<'_>) -> Result<Self> { row.native() }
        }
        impl Column for Option<$kind> {
            fn take(row: &mut Row<'_>) -> Result<Self> { row.native() }
        }
    )*};
}
native_columns!(i64, bool, String, Vec<u8>);

macro_rules! columns {
    ($($kind:ty: $native:ty => |$value:ident| $convert:expr;)*) => {$(
        impl Column for $kind {
            fn take(row: &mut Row<'_>) -> Result<Self> {
                let $value: $native = row.take()?;
                Ok($convert)
            }
        }
        impl Column for Option<$kind> {
            fn take(row: &mut Row<'_>) -> Result<Self> {
                let value: Option<$native> = row.take()?;
                Ok(match value { Some($value) => Some($convert), None => None })
            }
        }
    )*};
}
columns! {
    Time: i64 => |micros| Time::from_micros(micros);
    u32: i64 => |value| u32::try_from(value).map_err(|cause| crate::corrupt("number", cause))?;
    OrganizationId: String => |text| text.into();
    WorkspaceId: String => |text| text.into();
    ClusterId: String => |text| text.into();
    DeployId: String => |text| text.into();
    TarballVersion: String => |text| text.into();
    DeploymentId: String => |text| text.into();
    AgentId: String => |text| text.into();
    AgentJobId: String => |text| text.into();
    AgentTokenId: String => |text| text.into();
    AllowedIpAddressRangeId: String => |text| text.into();
    ApiTokenId: String => |text| text.into();
    EnvironmentObjectId: String => |text| text.into();
    RoleId: String => |text| text.into();
    SubjectId: String => |text| text.into();
    UserId: String => |text| text.into();
    InviteId: String => |text| text.into();
    TeamId: String => |text| text.into();
    RoleHolderId: String => |text| text.into();
    // Short lists that no query looks into are kept as JSON.
    Vec<String>: String => |json| serde_json::from_str(&json).map_err(|cause| crate::corrupt("list", cause))?;
}

/// Enums of the API are kept by the word that the API uses.
macro_rules! word_columns {
    ($($kind:ty),*) => {
        columns! {$(
            $kind: String => |word| <$kind>::named(&word).ok_or_else(|| crate::corrupt(stringify!($kind), &word))?;
        )*}
    };
}
word_columns!(
    airlock_core::agent::Cordon,
    airlock_contract::wire::ApiTokenKind,
    airlock_contract::wire::ApiTokenScope,
    airlock_contract::wire::CloudProvider,
    airlock_contract::wire::ClusterType,
    airlock_contract::wire::CustomRoleScopeType,
    airlock_contract::wire::DeployStatus,
    airlock_contract::wire::DeployType,
    airlock_contract::wire::DeploymentStatus,
    airlock_contract::wire::EntityType,
    airlock_contract::wire::EnvironmentObjectType,
    airlock_contract::wire::LogSource,
    airlock_contract::wire::SubjectType,
    airlock_contract::wire::UserStatus
);

/// Something that a row can be read as.
pub(crate) trait FromRow: Sized + Send {
    fn from_row(row: &mut Row<'_>) -> Result<Self>;
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Column + Send),*> FromRow for ($($name,)*) {
            fn from_row(row: &mut Row<'_>) -> Result<Self> { Ok(($(row.take::<$name>()?,)*)) }
        }
    )*};
}
tuples! { A; A B; A B C; A B C D; }

/// Declares a record: its fields, the SQL expression behind each, and so the column list and how
/// to read a row, from one text. `and authorship` adds who made and changed it.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$field_doc:meta])* $visibility:vis $field:ident: $kind:ty = $sql:literal,)*
    } $(and $authorship:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[$field_doc])* $visibility $field: $kind,)*
            $(
                /// Who made it and who last changed it, and when.
                pub $authorship: $crate::subjects::Authorship,
            )?
        }

        impl $name {
            /// The columns, in the order of the fields.
            pub(crate) const COLUMNS: &str = concat!($crate::db::list!($($sql),*), $($crate::db::record!(@$authorship))?);
        }

        impl $crate::db::FromRow for $name {
            fn from_row(row: &mut $crate::db::Row<'_>) -> airlock_core::Result<Self> {
                Ok(Self { $($field: row.take()?,)* $($authorship: row.take()?)? })
            }
        }
    };
    (@authorship) => { ", t.created_at, c.id, c.kind, c.name, c.username, t.updated_at, u.id, u.kind, u.name, u.username" };
}
pub(crate) use record;

/// `list!("a", "b")` is `"a, b"`.
macro_rules! list {
    ($first:literal $(, $rest:literal)*) => { concat!($first $(, ", ", $rest)*) };
}
pub(crate) use list;

/// `$n, $n+1, ...`: placeholders for a list of that many values, from number `first` on. An empty
/// list becomes `NULL`, which nothing is in.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    if count == 0 {
        return "NULL".into();
    }
    (first..first + count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}
