//! A list of a tenant's tokens cannot be read without the policy's proof.

use airlock_contract::{OrganizationId, wire::ListAgentTokensQuery};
use airlock_store::{Reading, agent_tokens};

async fn leak(db: &Reading, organization: &OrganizationId, query: &ListAgentTokensQuery) {
    let _ = agent_tokens::list(db, organization, query).await;
}

fn main() {}
