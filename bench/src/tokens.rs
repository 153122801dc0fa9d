//! What a token costs to verify, and what the server needs for very many of them.

use std::{
    fs,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use airlock_contract::{AgentTokenId, id::spell};
use airlock_core::{
    agent_token::{PlainAgentToken, StoredAgentToken},
    keyring::Keyring,
};
use anyhow::{Context, ensure};
use rusqlite::{Connection, params};

use crate::{
    http,
    load::{Load, Requests},
    server::Server,
};

/// Agent tokens of each Deployment: as many as one can have, unless set otherwise.
const EACH: usize = 50;

/// Some day, as the time in ids: 2026-01-01.
const BIRTH: u64 = 1_767_225_600_000;

/// A server with so many live tokens, started anew.
pub(crate) struct Filled {
    pub(crate) server: Server,
    pub(crate) tokens: usize,
    /// From the start of the process until it is ready to serve.
    pub(crate) ready: Duration,
    /// Its resident memory then, and at its height, in bytes.
    pub(crate) memory: (u64, u64),
    keys: Keyring,
}

impl Filled {
    /// Makes a database with so many live tokens, and starts a server on it.
    pub(crate) fn start(binary: &Path, folder: &Path, tokens: usize) -> anyhow::Result<Self> {
        let server = Server::start(binary, folder, None)?;
        let first = server.first.clone();
        server.stop()?;
        let data = folder.join("data");
        let keys = Keyring::parse(&fs::read_to_string(data.join("master.key"))?)?;
        fill(&data.join("airlock.db"), keys.current_id(), tokens)?;
        let begun = Instant::now();
        let server = Server::start_again(binary, folder, first)?;
        let ready = begun.elapsed();
        let memory = (server.memory("VmRSS")?, server.memory("VmHWM")?);
        Ok(Self { server, tokens, ready, memory, keys })
    }

    /// A reverse proxy's questions, over all tokens in a scattered order.
    pub(crate) fn forward_auth(self: &Rc<Self>) -> Load {
        let filled = Rc::clone(self);
        let requests = Requests::new(move |number, out| {
            let number = scattered(number, filled.tokens);
            let path = format!("/forward-auth/{}", deployment(number / EACH));
            http::get(out, &path, Some(&filled.value(number)));
            true
        });
        Load { clients: 16, status: 200, shows: "", requests }
    }

    /// Introspection by the Organization's Owner, over all tokens in a scattered order.
    pub(crate) fn introspect(self: &Rc<Self>) -> Load {
        let filled = Rc::clone(self);
        let requests = Requests::new(move |number, out| {
            let value = filled.value(scattered(number, filled.tokens));
            http::form(out, "/oauth2/introspect", &filled.server.first.token, &format!("token={value}"));
            true
        });
        Load { clients: 16, status: 200, shows: r#""active":true"#, requests }
    }

    fn value(&self, number: usize) -> String {
        let stored = StoredAgentToken { key_id: self.keys.current_id().into(), generation: 1 };
        let id = AgentTokenId::from(token(number));
        PlainAgentToken::derive(&self.keys, &id, &stored).map(|value| value.expose().to_owned()).unwrap_or_default()
    }
}

/// Visits all tokens before it visits one again, neighbours far apart.
fn scattered(number: usize, tokens: usize) -> usize {
    number.wrapping_mul(15_485_863) % tokens
}

fn token(number: usize) -> String {
    spell(BIRTH + number as u64 / 100, mixed(number as u64))
}

fn deployment(number: usize) -> String {
    spell(BIRTH, mixed(number as u64 ^ 1 << 63))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): ids that look like ours.
fn mixed(number: u64) -> u128 {
    let step = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = step(number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    u128::from(high) << 64 | u128::from(step(high))
}

/// Writes tokens and their Deployments straight into a database that nobody has open.
fn fill(database: &Path, key: &str, tokens: usize) -> anyhow::Result<()> {
    ensure!(tokens > 0, "there must be a token");
    let mut conn = Connection::open(database)?;
    let from: String = conn.query_row("SELECT id FROM deployments", [], |row| row.get(0))?;
    let begun = conn.transaction()?;
    let copy = "INSERT INTO deployments SELECT ?1, organization_id, workspace_id, name, remote_execution, settings, \
                created_at, created_by, updated_at, updated_by FROM deployments WHERE id = ?2";
    for number in 0..tokens.div_ceil(EACH) {
        begun.prepare_cached(copy)?.execute(params![deployment(number), from])?;
    }
    let insert = "INSERT INTO agent_tokens (id, organization_id, deployment_id, name, description, key_id, generation, \
                  short_token, start_at, created_at, created_by, updated_at, updated_by) \
                  SELECT ?1, organization_id, id, ?3, '', ?4, 1, '', created_at, created_at, created_by, created_at, \
                  created_by FROM deployments WHERE id = ?2";
    for number in 0..tokens {
        let name = format!("edge worker {number}");
        let inserted = begun
            .prepare_cached(insert)?
            .execute(params![token(number), deployment(number / EACH), name, key])
            .context("a token cannot be written")?;
        ensure!(inserted == 1, "a token has no Deployment");
    }
    Ok(begun.commit()?)
}
