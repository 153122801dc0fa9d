//! What is in the server before anything is measured.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::{http, load::send_all, server::Server};

/// How many agent tokens are created in a Deployment while it is measured. It can have 50.
pub(crate) const CREATES_EACH: usize = 45;

/// The most creates a second that there are Deployments for, with one client and with many.
pub(crate) const SINGLE_CREATES: usize = 5_000;
pub(crate) const GROUPED_CREATES: usize = 20_000;

/// Deployments with as many agent tokens as they can have, to read from.
const FULL: usize = 100;
const TOKENS_OF_FULL: usize = 50;

/// Clients that prepare.
const CLIENTS: usize = 64;

/// What the loads work on.
pub(crate) struct World {
    /// The Organization Owner's.
    pub(crate) token: String,
    pub(crate) full: Vec<FullDeployment>,
    /// Where agent tokens of the Deployments without any are created.
    empty: Vec<String>,
    deployments: usize,
    time: Duration,
}

/// A Deployment with 50 agent tokens.
pub(crate) struct FullDeployment {
    /// Where they are listed.
    pub(crate) path: String,
    /// Where each is.
    pub(crate) tokens: Vec<String>,
}

impl World {
    /// Makes the records, with Deployments to create in for that long.
    pub(crate) async fn prepare(server: &Server, time: Duration) -> anyhow::Result<Self> {
        let first = &server.first;
        let needed = |rate| deployments_for(rate, time);
        let wanted = FULL + needed(SINGLE_CREATES) + needed(GROUPED_CREATES);
        let path = format!("/v1/organizations/{}/deployments", first.organization);
        let requests = (0..wanted).map(|number| {
            let workspace = &first.workspace;
            let body = format!(
                r#"{{"name":"deployment {number}","workspaceId":"{workspace}","remoteExecution":{{"enabled":true}}}}"#
            );
            let mut request = Vec::new();
            http::post(&mut request, &path, &first.token, &body);
            request
        });
        let made = send_all(first.address, CLIENTS, requests.collect()).await?;
        let paths = made.iter().map(|deployment| Ok(format!("{path}/{}/agent-tokens", id(deployment)?)));
        let mut empty = paths.collect::<anyhow::Result<Vec<_>>>()?;
        let mut full = Vec::new();
        for path in empty.drain(..FULL) {
            let requests = (0..TOKENS_OF_FULL).map(|number| {
                let mut request = Vec::new();
                http::post(&mut request, &path, &first.token, &format!(r#"{{"name":"agent {number}"}}"#));
                request
            });
            let tokens = send_all(first.address, TOKENS_OF_FULL, requests.collect()).await?;
            let tokens = tokens.iter().map(|token| Ok(format!("{path}/{}", id(token)?)));
            let tokens = tokens.collect::<anyhow::Result<Vec<_>>>()?;
            full.push(FullDeployment { path, tokens });
        }
        Ok(Self { token: first.token.clone(), full, empty, deployments: wanted, time })
    }

    /// Deployments without agent tokens, which nobody else gets.
    pub(crate) fn take_empty(&mut self, rate: usize) -> Vec<String> {
        self.empty.split_off(self.empty.len() - deployments_for(rate, self.time))
    }

    pub(crate) fn deployments(&self) -> usize {
        self.deployments
    }

    pub(crate) fn tokens(&self) -> usize {
        self.full.iter().map(|deployment| deployment.tokens.len()).sum()
    }
}

fn deployments_for(rate: usize, time: Duration) -> usize {
    (rate as f64 * time.as_secs_f64()) as usize / CREATES_EACH + 1
}

fn id(answer: &Value) -> anyhow::Result<&str> {
    answer["id"].as_str().context("an answer without an id")
}

/// The token with one character of its signature changed.
pub(crate) fn with_wrong_signature(token: &str) -> String {
    let at = token.rfind('.').map_or(0, |dot| dot + 10);
    let other = if token[at..].starts_with('A') { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
