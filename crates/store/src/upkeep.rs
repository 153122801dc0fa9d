//! What the server writes on its own account: when tokens were used, what was refused, and the
//! removal of what is too old. None of it changes what anybody asked for, so it has its own handle
//! and commits without an audit entry.

use std::sync::Arc;

use airlock_contract::{AgentTokenId, ApiTokenId, OrganizationId, Time};
use airlock_core::Result;

use crate::{
    audit::{self, Entry},
    authority::Authority,
    db::{Conn, params},
};

/// A handle for upkeep.
pub struct Upkeep {
    pub(crate) conn: Conn,
    pub(crate) authority: Arc<Authority>,
}

/// A token that was used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UsedToken {
    /// An API token.
    Api(ApiTokenId),
    /// An agent token.
    Agent(AgentTokenId),
}

impl Upkeep {
    /// Makes the upkeep durable.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn commit(self) -> Result<()> {
        self.conn.commit(&self.authority, Vec::new(), Time::from_micros(0)).await
    }

    /// Says that a token was used at a time.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn mark_used(&self, token: &UsedToken, at: Time) -> Result<()> {
        let (table, id) = match token {
            UsedToken::Api(id) => ("api_tokens", id.as_str()),
            UsedToken::Agent(id) => ("agent_tokens", id.as_str()),
        };
        // An earlier time, from a replica that was slower to say it, does not turn the clock back.
        let sql = format!(
            "UPDATE {table} SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)"
        );
        self.conn.execute(&sql, params![at, id]).await?;
        Ok(())
    }

    /// Keeps the record of a refusal, under the Organization that it names if there is one.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn record_refusal(&self, entry: &Entry) -> Result<()> {
        let mut entry = entry.clone();
        if let Some(named) = &entry.organization {
            let found: Option<(OrganizationId,)> =
                self.conn.one("SELECT id FROM organizations WHERE id = $1", params![named]).await?;
            entry.organization = found.map(|(id,)| id);
        }
        audit::insert(&self.conn, &entry).await
    }

    /// Removes the oldest refusals beyond a number, so that a flood cannot fill the disk.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn keep_refusals(&self, most: u32) -> Result<u64> {
        let sql = "DELETE FROM audit_log WHERE outcome = 'REFUSED' AND at <= COALESCE((SELECT at FROM audit_log \
                   WHERE outcome = 'REFUSED' ORDER BY at DESC LIMIT 1 OFFSET $1), -1)";
        self.conn.execute(sql, params![most]).await
    }

    /// Removes authorization codes that ended before a time.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget_codes_before(&self, time: Time) -> Result<u64> {
        self.conn.execute("DELETE FROM authorization_codes WHERE end_at < $1", params![time]).await
    }

    /// Removes sessions that ended before a time and belong to no login.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget_sessions_before(&self, time: Time) -> Result<u64> {
        self.conn.execute("DELETE FROM sessions WHERE end_at < $1 AND login_id IS NULL", params![time]).await
    }

    /// Removes logins that ended before a time, with their sessions.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget_logins_before(&self, time: Time) -> Result<()> {
        for sql in [
            "DELETE FROM sessions WHERE login_id IN (SELECT id FROM logins WHERE end_at < $1)",
            "DELETE FROM sessions WHERE login_id IN (SELECT id FROM logins WHERE ended_at < $1)",
            "DELETE FROM logins WHERE end_at < $1",
            "DELETE FROM logins WHERE ended_at < $1",
        ] {
            self.conn.execute(sql, params![time]).await?;
        }
        Ok(())
    }

    /// Removes audit records from before a time.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget_audit_before(&self, time: Time) -> Result<u64> {
        self.conn.execute("DELETE FROM audit_log WHERE at < $1", params![time]).await
    }
}
