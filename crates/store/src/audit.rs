//! The audit log: every change, in the transaction of the change; and what was refused.

use airlock_contract::{OrganizationId, SubjectId, Time, permissions::scope, wire::SubjectType};
use airlock_core::{Env, Result, policy::Granted};

use crate::db::{Conn, Reads, params, record};

/// What was done to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something changed.
    Changed,
    /// A secret was read.
    Read,
    /// Somebody was refused.
    Refused,
    /// Something that the server does by itself was given up.
    Failed,
}

impl Outcome {
    /// The word by which it is kept, and told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "CHANGED",
            Self::Read => "READ",
            Self::Refused => "REFUSED",
            Self::Failed => "FAILED",
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::Changed, Self::Read, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl crate::db::Column for Outcome {
    fn take(row: &mut crate::db::Row<'_>) -> Result<Self> {
        let word: String = row.take()?;
        Self::named(&word).ok_or_else(|| crate::corrupt("outcome", word))
    }
}

record! {
    /// One record of the audit log. It has no field that could hold a secret: no headers but the
    /// ones named here are kept, and no bodies but those of operations that are declared to have none
    /// (`airlock_contract::Operation::LOGS_BODY`).
    pub struct Entry {
        /// Names the record; sorts by time.
        pub id: String = "id",
        /// When.
        pub at: Time = "at",
        /// What became of it.
        pub outcome: Outcome = "outcome",
        /// The Organization that it concerns.
        pub organization: Option<OrganizationId> = "organization_id",
        /// Who; absent when nobody was authenticated.
        pub subject_id: Option<SubjectId> = "subject_id",
        /// What kind of subject that is.
        pub subject_type: Option<SubjectType> = "subject_type",
        /// What the subject was called then.
        pub subject_name: Option<String> = "subject_name",
        /// The `operationId`.
        pub operation: String = "operation",
        /// The HTTP method.
        pub method: String = "method",
        /// The path, without its query.
        pub path: String = "path",
        /// The kind of thing that it was done to.
        pub entity_type: Option<String> = "entity_type",
        /// The id of that thing.
        pub entity_id: Option<String> = "entity_id",
        /// The HTTP status of the answer.
        pub status: u32 = "status",
        /// The body of the request, as JSON: what was changed to what.
        pub request_body: Option<String> = "request_body",
        /// Why it was refused.
        pub reason: Option<String> = "reason",
        /// How often it was refused within the minute.
        pub occurrences: i64 = "occurrences",
        /// The address that the request came from.
        pub source_ip: Option<String> = "source_ip",
        /// The `User-Agent` of the request.
        pub user_agent: Option<String> = "user_agent",
        /// The client's name for itself: `x-astro-client-identifier`.
        pub client: Option<String> = "client",
        /// The client's version: `x-astro-client-version`.
        pub client_version: Option<String> = "client_version",
        /// Names the request in the server's log.
        pub request_id: String = "request_id",
    }
}

impl Entry {
    /// A record with nothing in it but when and which operation: a refusal, until somebody says
    /// otherwise.
    pub fn new(env: &Env, at: Time, operation: &str) -> Self {
        Self {
            id: env.new_id::<SubjectId>().to_string(),
            at,
            outcome: Outcome::Refused,
            organization: None,
            subject_id: None,
            subject_type: None,
            subject_name: None,
            operation: operation.into(),
            method: String::new(),
            path: String::new(),
            entity_type: None,
            entity_id: None,
            status: 0,
            request_body: None,
            reason: None,
            occurrences: 1,
            source_ip: None,
            user_agent: None,
            client: None,
            client_version: None,
            request_id: String::new(),
        }
    }
}

pub(crate) async fn insert(conn: &Conn, entry: &Entry) -> Result<()> {
    let sql = format!(
        "INSERT INTO audit_log ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
         $17, $18, $19, $20, $21)",
        Entry::COLUMNS
    );
    let values = params![
        &entry.id,
        entry.at,
        entry.outcome.as_str(),
        entry.organization.as_ref().map(|id| id.as_str()),
        entry.subject_id.as_ref().map(|id| id.as_str()),
        entry.subject_type.map(SubjectType::as_str),
        &entry.subject_name,
        &entry.operation,
        &entry.method,
        &entry.path,
        &entry.entity_type,
        &entry.entity_id,
        entry.status,
        &entry.request_body,
        &entry.reason,
        entry.occurrences,
        &entry.source_ip,
        &entry.user_agent,
        &entry.client,
        &entry.client_version,
        &entry.request_id,
    ];
    conn.execute(&sql, values).await?;
    Ok(())
}

/// A place in an Organization's audit log: behind the record with this time and id.
#[derive(Clone, Debug)]
pub struct Position {
    at: Time,
    id: String,
}

impl Position {
    /// Before the first record of that time.
    pub fn start(at: Time) -> Self {
        Self { at, id: String::new() }
    }

    /// Behind a record.
    pub fn after(entry: &Entry) -> Self {
        Self { at: entry.at, id: entry.id.clone() }
    }
}

/// Up to `limit` records behind a position and before a time, oldest first.
///
/// # Errors
///
/// Those of the database.
pub async fn page(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    behind: &Position,
    before: Time,
    limit: u32,
) -> Result<Vec<Entry>> {
    let order = db.conn().text_order();
    let sql = format!(
        "SELECT {} FROM audit_log WHERE organization_id = $1 AND at < $2 AND (at > $3 OR (at = $3 AND id{order} > $4)) \
         ORDER BY at, id{order} LIMIT $5",
        Entry::COLUMNS
    );
    db.conn().all(&sql, params![granted.organization(), before, behind.at, &behind.id, limit]).await
}
