//! Who made and changed a record, and when.

use airlock_contract::{
    SubjectId, Time,
    wire::{BasicSubjectProfile, SubjectType},
};
use airlock_core::Result;

use crate::{
    Writing,
    db::{Column, Row, params, sealed::Sealed},
};

/// Who changes something, and when.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// When.
    pub at: Time,
    /// Who.
    pub by: SubjectId,
}

/// Who made a record and who last changed it, and when.
#[derive(Clone, Debug)]
pub struct Authorship {
    /// When it was made.
    pub created_at: Time,
    /// Who made it.
    pub created_by: BasicSubjectProfile,
    /// When it was last changed.
    pub updated_at: Time,
    /// Who last changed it.
    pub updated_by: BasicSubjectProfile,
}

/// Joins the subjects `c` and `u`, whose columns `record!` reads for an [`Authorship`] of table `t`.
pub(crate) const JOIN_SUBJECTS: &str = " JOIN subjects c ON c.id = t.created_by JOIN subjects u ON u.id = t.updated_by";

impl Column for Authorship {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        Ok(Self { created_at: row.take()?, created_by: row.take()?, updated_at: row.take()?, updated_by: row.take()? })
    }
}

impl Column for BasicSubjectProfile {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        Ok(profile(row.take()?, row.take()?, row.take()?, row.take()?))
    }
}

/// Who somebody is, as answers show it.
pub(crate) fn profile(id: SubjectId, kind: SubjectType, name: String, username: Option<String>) -> BasicSubjectProfile {
    let (api_token_name, full_name) = match kind {
        SubjectType::ServiceKey => (Some(name), None),
        SubjectType::User => (None, Some(name)),
    };
    BasicSubjectProfile { id, subject_type: Some(kind), api_token_name, full_name, username, avatar_url: None }
}

/// Makes an API token known as a subject, or gives a known one another name.
pub(crate) async fn put_token(w: &Writing, id: &SubjectId, name: &str) -> Result<()> {
    put(w, id, SubjectType::ServiceKey, name, None).await
}

/// Makes a user known as a subject, or gives a known one another name.
pub(crate) async fn put_user(w: &Writing, id: &SubjectId, full_name: &str, username: &str) -> Result<()> {
    put(w, id, SubjectType::User, full_name, Some(username)).await
}

async fn put(w: &Writing, id: &SubjectId, kind: SubjectType, name: &str, username: Option<&str>) -> Result<()> {
    let sql = "INSERT INTO subjects (id, kind, name, username) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (id) DO UPDATE SET name = excluded.name, username = excluded.username";
    w.conn().execute(sql, params![id, kind.as_str(), name, username]).await?;
    Ok(())
}
