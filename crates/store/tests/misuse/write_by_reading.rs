//! A read handle cannot change anything.

use airlock_contract::{AgentTokenId, permissions::scope::Deployment};
use airlock_core::policy::Granted;
use airlock_store::{Reading, Stamp, agent_tokens};

async fn change(db: &Reading, granted: &Granted<Deployment>, id: &AgentTokenId, stamp: &Stamp) {
    let _ = agent_tokens::delete(db, granted, id, stamp).await;
}

fn main() {}
