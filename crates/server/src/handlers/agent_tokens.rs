//! `/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens`

use airlock_contract::{
    AgentTokenId,
    operations::{CreateAgentToken, DeleteAgentToken, GetAgentToken, ListAgentTokens},
    wire::{ApiToken, ApiTokenKind, ApiTokenScope, ApiTokensPaginated},
};
use airlock_core::{
    Error, Result,
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
        let stored = StoredAgentToken { key_id: call.app.keys.current_id().into(), generation: 1 };
        let plain = PlainAgentToken::derive(&call.app.keys, &id, &stored)
            .ok_or_else(|| Error::internal("the current master key is not in the ring"))?;
        let days = call.body.token_expiry_period_in_days;
        let token = NewAgentToken {
            id: &id,
            name: &call.body.name,
            description: call.body.description.as_deref().unwrap_or_default(),
            stored: &stored,
            short_token: &plain.short(),
            end_at: end(call.now, days),
            expiry_days: days,
            public_key: None,
            agent_name: call.body.agent_name.as_deref(),
            queues: call.body.queues.as_deref(),
        };
        agent_tokens::insert(w, call.granted, &token, &call.stamp()).await?;
        let made = view(agent_tokens::get(w, call.granted, &id).await?);
        let output = ApiToken { token: Some(plain.expose().to_owned()), ..made };
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
    }
}
