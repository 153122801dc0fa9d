//! A proof for a Workspace opens no Deployment.

use airlock_contract::{AgentTokenId, permissions::scope::Workspace};
use airlock_core::policy::Granted;
use airlock_store::{Reading, agent_tokens};

async fn widen(db: &Reading, granted: &Granted<Workspace>, id: &AgentTokenId) {
    let _ = agent_tokens::get(db, granted, id).await;
}

fn main() {}
