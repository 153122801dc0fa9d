//! `/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens`

use airlock_contract::{
    AgentTokenId,
    operations::{CreateAgentToken, DeleteAgentToken, GetAgentToken, ListAgentTokens},
    wire::{ApiToken, ApiTokenKind, ApiTokenScope, ApiTokensPaginated},
};
use airlock_core::{
    Error, Result,
    agent_key::AgentPublicKey,
    agent_token::{PlainAgentToken, StoredAgentToken},
    api_token::end,
};
use airlock_store::{
    Reading, Writing,
    agent_tokens::{self, AgentToken, NewAgentToken},
};

use crate::adaptor::{Call, Changed, Handlers, Read, Write};

impl Read<ListAgentTokens> for Handlers {
    async fn read(call: &Call<'_, ListAgentTokens>, db: &Reading) -> Result<ApiTokensPaginated> {
        let (tokens, total_count) = agent_tokens::list(db, call.granted, call.query).await?;
        Ok(ApiTokensPaginated {
            tokens: tokens.into_iter().map(view).collect(),
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetAgentToken> for Handlers {
    async fn read(call: &Call<'_, GetAgentToken>, db: &Reading) -> Result<ApiToken> {
        agent_tokens::get(db, call.granted, &call.path.agent_token_id).await.map(view)
    }
}

impl Write<CreateAgentToken> for Handlers {
    async fn write(call: &Call<'_, CreateAgentToken>, w: &Writing) -> Result<Changed<ApiToken>> {
        let most = call.app.settings.agent_tokens_per_deployment;
        if agent_tokens::count_live(w, call.granted, call.now).await? >= most {
            return Err(Error::refused(format!(
                "the Deployment has {most} agent tokens that are good, which is the most it can have; delete one first"
            )));
        }
        let id: AgentTokenId = call.app.env.new_id();
        let credential = Credential::of(call, w, &id).await?;
        let days = call.body.token_expiry_period_in_days;
        let token = NewAgentToken {
            id: &id,
            name: &call.body.name,
            description: call.body.description.as_deref().unwrap_or_default(),
            stored: &credential.stored,
            short_token: &credential.short,
            end_at: end(call.now, days),
            expiry_days: days,
            public_key: credential.public_key.as_deref(),
            agent_name: call.body.agent_name.as_deref(),
            queues: call.body.queues.as_deref(),
            connections: call.body.connections.as_deref(),
            variables: call.body.variables.as_deref(),
        };
        agent_tokens::insert(w, call.granted, &token, &call.stamp()).await?;
        let made = view(agent_tokens::get(w, call.granted, &id).await?);
        let output = ApiToken { token: credential.plain.map(|plain| plain.expose().to_owned()), ..made };
        Ok(Changed::new(output, "agentToken", &id))
    }
}

impl Write<DeleteAgentToken> for Handlers {
    async fn write(call: &Call<'_, DeleteAgentToken>, w: &Writing) -> Result<Changed<()>> {
        let id = &call.path.agent_token_id;
        agent_tokens::delete(w, call.granted, id, &call.stamp()).await?;
        Ok(Changed::new((), "agentToken", id))
    }
}

/// What the agent will sign with: a value that we derive, or a key of its own.
struct Credential {
    stored: StoredAgentToken,
    short: String,
    plain: Option<PlainAgentToken>,
    public_key: Option<String>,
}

impl Credential {
    async fn of(call: &Call<'_, CreateAgentToken>, w: &Writing, id: &AgentTokenId) -> Result<Self> {
        let Some(pem) = &call.body.public_key else {
            let stored = StoredAgentToken { key_id: call.app.keys.current_id().into(), generation: 1 };
            let plain = PlainAgentToken::derive(&call.app.keys, id, &stored)
                .ok_or_else(|| Error::internal("the current master key is not in the ring"))?;
            return Ok(Self { stored, short: plain.short(), plain: Some(plain), public_key: None });
        };
        let key = AgentPublicKey::parse(pem)?;
        let public_key = key.to_pem();
        if agent_tokens::has_key(w, call.granted, &public_key).await? {
            let message = "another agent token of the Deployment has this key; an agent needs a key of its own, or \
                           deleting its token would not cut it off";
            return Err(Error::field("conflict", "publicKey", message));
        }
        let stored = StoredAgentToken { key_id: String::new(), generation: 1 };
        Ok(Self { stored, short: key.short(), plain: None, public_key: Some(public_key) })
    }
}

fn view(token: AgentToken) -> ApiToken {
    ApiToken {
        id: token.id.to_string(),
        name: token.name,
        description: token.description,
        kind: ApiTokenKind::Standard,
        scope: ApiTokenScope::Deployment,
        short_token: token.short_token,
        token: None,
        start_at: token.start_at,
        end_at: token.end_at,
        expiry_period_in_days: token.expiry_days,
        last_used_at: token.last_used_at,
        last_rotated_at: None,
        roles: None,
        created_at: token.authorship.created_at,
        created_by: Some(token.authorship.created_by),
        updated_at: token.authorship.updated_at,
        updated_by: Some(token.authorship.updated_by),
        agent_name: token.agent_name,
        queues: token.queues,
        connections: token.connections,
        variables: token.variables,
        public_key: token.public_key,
    }
}
