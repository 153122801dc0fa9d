//! The value of a token has no `Display`, so it cannot slip into a message.

use airlock_core::agent_token::PlainAgentToken;

fn say(token: &PlainAgentToken) -> String {
    format!("{token}")
}

fn main() {}
