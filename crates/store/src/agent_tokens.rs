//! Agent tokens. Of a token's value only how to derive it again is kept.

use airlock_contract::{
    AgentTokenId, DeploymentId, OrganizationId, Time, permissions::scope, wire::ListAgentTokensQuery,
};
use airlock_core::{
    Error, Result,
    agent_token::{HeldAgentToken, StoredAgentToken},
    policy::Granted,
};

use crate::{
    Page, Stamp, Writing,
    authority::Change,
    cutoffs::{self, Cause},
    db::{Column, Reads, Row, params, record, sealed::Sealed},
    filter::Filter,
    live_tokens::LiveToken,
    page::total,
    subjects::{self, JOIN_SUBJECTS},
};

record! {
    /// An agent token that is not deleted.
    pub struct AgentToken {
        /// Its id.
        pub id: AgentTokenId = "t.id",
        /// Its name.
        pub name: String = "t.name",
        /// What it is for.
        pub description: String = "t.description",
        /// The Deployment that it opens.
        pub deployment: DeploymentId = "t.deployment_id",
        /// The end of its value, or of its key's fingerprint.
        pub short_token: String = "t.short_token",
        /// From when it is good.
        pub start_at: Time = "t.start_at",
        /// When it ends.
        pub end_at: Option<Time> = "t.end_at",
        /// The days after which it ends, as they were asked for.
        pub expiry_days: Option<u32> = "t.expiry_days",
        /// When it was last used.
        pub last_used_at: Option<Time> = "t.last_used_at",
        /// The public half of the agent's own key, as PEM.
        pub public_key: Option<String> = "t.public_key",
        /// The worker that may use it.
        pub agent_name: Option<String> = "t.agent_name",
        /// The queues that it may take work from.
        pub queues: Option<Vec<String>> = "t.queues",
        /// The connections that its tasks may read.
        pub connections: Option<Vec<String>> = "t.connections",
        /// The variables that its tasks may use.
        pub variables: Option<Vec<String>> = "t.variables",
    } and authorship
}

/// What a new agent token is made of.
#[derive(Debug)]
pub struct NewAgentToken<'a> {
    /// Its id.
    pub id: &'a AgentTokenId,
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// How to derive its value.
    pub stored: &'a StoredAgentToken,
    /// The end of its value.
    pub short_token: &'a str,
    /// When it ends.
    pub end_at: Option<Time>,
    /// The days after which it ends.
    pub expiry_days: Option<u32>,
    /// The public half of the agent's own key, as PEM; then nothing is derived.
    pub public_key: Option<&'a str>,
    /// The worker that may use it; absent until the first registration pins it.
    pub agent_name: Option<&'a str>,
    /// The queues that it may take work from; absent: those of the Deployment.
    pub queues: Option<&'a [String]>,
    /// The connections that its tasks may read; absent: all.
    pub connections: Option<&'a [String]>,
    /// The variables that its tasks may use; absent: all.
    pub variables: Option<&'a [String]>,
}

/// Counts a Deployment's agent tokens that are good at a time, so that a limit can be held. Others
/// who create for the same Deployment wait until this change is committed or dropped.
///
/// # Errors
///
/// [`Error::NotFound`] when the Deployment was deleted meanwhile; [`Error::Invalid`] when remote
/// agents cannot reach it.
pub async fn count_live(w: &Writing, granted: &Granted<scope::Deployment>, now: Time) -> Result<u32> {
    w.conn().lock_row("deployments", granted.deployment().as_str()).await?;
    let sql = "SELECT remote_execution FROM deployments WHERE id = $1";
    match w.conn().one(sql, params![granted.deployment()]).await? {
        None => return Err(Error::NotFound("Deployment".into())),
        Some((false,)) => {
            return Err(Error::refused(
                "the Deployment has remote execution off; an agent token would open nothing. Update it with \
                 remoteExecution.enabled first",
            ));
        }
        Some((true,)) => {}
    }
    let sql = "SELECT COUNT(*) FROM agent_tokens \
               WHERE deployment_id = $1 AND deleted_at IS NULL AND (end_at IS NULL OR end_at > $2)";
    Ok(total(w.conn().count(sql, params![granted.deployment(), now]).await?))
}

/// Whether a token of the Deployment has this public key already: then deleting the other would not
/// cut the agent off.
///
/// # Errors
///
/// Those of the database.
pub async fn has_key(w: &Writing, granted: &Granted<scope::Deployment>, public_key: &str) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM agent_tokens \
               WHERE deployment_id = $1 AND public_key = $2 AND deleted_at IS NULL";
    Ok(w.conn().count(sql, params![granted.deployment(), public_key]).await? > 0)
}

/// Keeps a new token.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Deployment>,
    token: &NewAgentToken<'_>,
    stamp: &Stamp,
) -> Result<()> {
    let sql = "INSERT INTO agent_tokens (id, organization_id, deployment_id, name, description, key_id, generation, \
               short_token, start_at, end_at, expiry_days, created_at, created_by, updated_at, updated_by, \
               public_key, agent_name, queues, connections, variables) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $9, $12, $9, $12, $13, $14, $15, $16, $17)";
    let list = |list: Option<&[String]>| list.map(serde_json::to_string).transpose().map_err(Error::internal);
    let (queues, connections, variables) = (list(token.queues)?, list(token.connections)?, list(token.variables)?);
    let values = params![
        token.id,
        granted.organization(),
        granted.deployment(),
        token.name,
        token.description,
        &token.stored.key_id,
        token.stored.generation,
        token.short_token,
        stamp.at,
        token.end_at,
        token.expiry_days,
        &stamp.by,
        token.public_key,
        token.agent_name,
        &queues,
        &connections,
        &variables,
    ];
    w.conn().execute(sql, values).await?;
    w.follow(Change::New(LiveToken {
        id: token.id.clone(),
        organization: granted.organization().clone(),
        deployment: granted.deployment().clone(),
        name: token.name.to_owned(),
        stored: token.stored.clone(),
        start_at: stamp.at,
        end_at: token.end_at,
        public_key: token.public_key.map(str::to_owned),
        agent_name: token.agent_name.map(str::to_owned),
        queues: token.queues.map(<[String]>::to_vec),
        connections: token.connections.map(<[String]>::to_vec),
        variables: token.variables.map(<[String]>::to_vec),
    }));
    Ok(())
}

/// A page of a Deployment's tokens, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Deployment>,
    query: &ListAgentTokensQuery,
) -> Result<(Vec<AgentToken>, u32)> {
    let mut filter = Filter::of_organization(granted.organization());
    filter.among("t.deployment_id", [granted.deployment()]);
    filter.require("t.deleted_at IS NULL".into());
    filter.page(db, AgentToken::COLUMNS, "agent_tokens t", "", &Page::of(query)).await
}

/// One of a Deployment's tokens.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Deployment>, id: &AgentTokenId) -> Result<AgentToken> {
    let sql = format!(
        "SELECT {} FROM agent_tokens t{JOIN_SUBJECTS} \
         WHERE t.id = $1 AND t.deployment_id = $2 AND t.deleted_at IS NULL",
        AgentToken::COLUMNS
    );
    let found = db.conn().one(&sql, params![id, granted.deployment()]).await?;
    found.ok_or(Error::NotFound("agent token".into()))
}

/// Deletes a token; it stays as a tombstone.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn delete(w: &Writing, granted: &Granted<scope::Deployment>, id: &AgentTokenId, stamp: &Stamp) -> Result<()> {
    delete_one(w, granted.deployment(), id, stamp).await
}

/// Deletes the token whose value somebody has, in the token's own name. `None` when it is deleted
/// already.
///
/// # Errors
///
/// Those of the database.
pub async fn revoke(w: &Writing, held: &HeldAgentToken, at: Time) -> Result<Option<Judged>> {
    let Some(judged) = judge(w, held.id()).await?.filter(|judged| judged.deleted_at.is_none()) else {
        return Ok(None);
    };
    let stamp = Stamp { at, by: held.id().clone().into() };
    subjects::put_token(w, &stamp.by, &judged.name).await?;
    match delete_one(w, &judged.deployment, held.id(), &stamp).await {
        Ok(()) => Ok(Some(judged)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn delete_one(w: &Writing, deployment: &DeploymentId, id: &AgentTokenId, stamp: &Stamp) -> Result<()> {
    let this = "t.id = $3 AND t.deleted_at IS NULL";
    cutoffs::insert_for_tokens(w, this, id.as_str(), Cause::Deleted, stamp.at).await?;
    let sql = "UPDATE agent_tokens SET deleted_at = $1, updated_at = $1, updated_by = $2 \
               WHERE id = $3 AND deployment_id = $4 AND deleted_at IS NULL";
    match w.conn().execute(sql, params![stamp.at, &stamp.by, id, deployment]).await? {
        0 => Err(Error::NotFound("agent token".into())),
        _ => {
            w.follow(Change::Gone(id.clone()));
            Ok(())
        }
    }
}

/// Pins a token to the worker that registers with it first. Answers the token as it is now: that
/// worker's, or another's who was faster.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn pin(w: &Writing, id: &AgentTokenId, agent_name: &str) -> Result<LiveToken> {
    let sql = "UPDATE agent_tokens SET agent_name = $1 \
               WHERE id = $2 AND deleted_at IS NULL AND agent_name IS NULL";
    let pinned = w.conn().execute(sql, params![agent_name, id]).await?;
    let sql = format!("SELECT {} FROM agent_tokens t WHERE t.id = $1 AND t.deleted_at IS NULL", LiveToken::COLUMNS);
    let token: LiveToken =
        w.conn().one(&sql, params![id]).await?.ok_or_else(|| Error::NotFound("agent token".into()))?;
    if pinned > 0 {
        w.follow(Change::Other(token.clone()));
    }
    Ok(token)
}

/// Frees a token from the worker that it was pinned to.
///
/// # Errors
///
/// Those of the database.
pub async fn unpin(w: &Writing, id: &AgentTokenId) -> Result<()> {
    w.conn().execute("UPDATE agent_tokens SET agent_name = NULL WHERE id = $1", params![id]).await?;
    let sql = format!("SELECT {} FROM agent_tokens t WHERE t.id = $1 AND t.deleted_at IS NULL", LiveToken::COLUMNS);
    if let Some(token) = w.conn().one::<LiveToken>(&sql, params![id]).await? {
        w.follow(Change::Other(token));
    }
    Ok(())
}

/// Deletes all tokens of the Deployments that the condition picks; `$3` is its value.
pub(crate) async fn delete_of(w: &Writing, condition: &str, value: &str, stamp: &Stamp) -> Result<()> {
    let these =
        format!("t.deleted_at IS NULL AND t.deployment_id IN (SELECT id FROM deployments WHERE {condition} = $3)");
    cutoffs::insert_for_tokens(w, &these, value, Cause::Deleted, stamp.at).await?;
    let sql = format!(
        "UPDATE agent_tokens AS t SET deleted_at = $1, updated_at = $1, updated_by = $2 WHERE {these} RETURNING id"
    );
    let deleted: Vec<(AgentTokenId,)> = w.conn().all(&sql, params![stamp.at, &stamp.by, value]).await?;
    deleted.into_iter().for_each(|(id,)| w.follow(Change::Gone(id)));
    Ok(())
}

record! {
    /// What is needed to judge a presented agent token.
    pub struct Judged {
        /// Its name.
        pub name: String = "t.name",
        /// How to derive its value.
        pub stored: StoredAgentToken = "t.key_id, t.generation",
        /// The public half of the agent's own key; then it has no value that could be presented.
        pub public_key: Option<String> = "t.public_key",
        /// The Organization of its Deployment.
        pub organization: OrganizationId = "t.organization_id",
        /// The Deployment that it opens.
        pub deployment: DeploymentId = "t.deployment_id",
        /// When it ends.
        pub end_at: Option<Time> = "t.end_at",
        /// When it was deleted.
        pub deleted_at: Option<Time> = "t.deleted_at",
    }
}

impl Column for StoredAgentToken {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        Ok(Self { key_id: row.take()?, generation: row.take()? })
    }
}

/// The master keys from which the values of the tokens that are not deleted are derived.
///
/// # Errors
///
/// Those of the database.
pub async fn key_ids(db: &impl Reads) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT key_id FROM agent_tokens WHERE deleted_at IS NULL AND public_key IS NULL";
    let ids: Vec<(String,)> = db.conn().all(sql, &[]).await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// Finds a token by its id alone, deleted or not, to judge a value that was presented. Whoever
/// calls this has the value, and compares it before telling anything.
///
/// # Errors
///
/// Those of the database.
pub async fn judge(db: &impl Reads, id: &AgentTokenId) -> Result<Option<Judged>> {
    let sql = format!("SELECT {} FROM agent_tokens t WHERE t.id = $1", Judged::COLUMNS);
    db.conn().one(&sql, params![id]).await
}
