//! What an operator can choose about the server's behaviour.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use airlock_core::{address::Ranges, catalogue::Catalogue};
use secrecy::SecretString;

use crate::storage::BundleStorage;

/// The server's settings. Addresses and files are the binary's affair.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients reach the server, without a slash at the end. Tokens name it as their issuer.
    pub public_url: String,
    /// How many agent tokens a Deployment can have that are good at the same time.
    pub agent_tokens_per_deployment: u32,
    /// Seconds between two heartbeats of an agent, as its Airflow is configured
    /// (`[edge] heartbeat_interval`). When three are missing, the agent is unhealthy.
    pub agent_heartbeat_interval: u32,
    /// How often each Deployment's Airflow is looked at, in seconds.
    pub airflow_check_interval: u32,
    /// How often a token may call.
    pub rate_limits: RateLimits,
    /// After how many days audit records are removed; never when absent.
    pub audit_retention_days: Option<NonZeroU32>,
    /// How many records of refused requests are kept at the most.
    pub refusals_kept: u32,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Ranges,
    /// How Organizations' allowed IP address ranges are kept.
    pub allowed_ranges: AllowedRanges,
    /// How users sign in.
    pub login: LoginSettings,
    /// What clusters and Deployments can be made of.
    pub catalogue: Arc<Catalogue>,
    /// How much the gate lets through, and how long it waits.
    pub gate: GateSettings,
    /// Where deploys are kept, and how much of them.
    pub deploys: DeploySettings,
    /// What is kept of the logs that pass the gate.
    pub logs: LogSettings,
}

/// What bounds deploys.
#[derive(Clone, Debug)]
pub struct DeploySettings {
    /// Where their archives are kept.
    pub storage: BundleStorage,
    /// How large an archive may be as it is uploaded, in bytes.
    pub upload_bytes: u64,
    /// How much an archive may hold.
    pub limits: airlock_bundle::Limits,
    /// How many archives of Dags, and of each bundle, a Deployment keeps to roll back to.
    pub kept: NonZeroU32,
}

impl Default for DeploySettings {
    fn default() -> Self {
        Self {
            storage: BundleStorage::in_memory(),
            upload_bytes: 256 << 20,
            limits: airlock_bundle::Limits::default(),
            kept: NonZeroU32::new(10).expect("it is not 0"),
        }
    }
}

/// How users sign in.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// Where a browser may be sent with an authorization code, besides the user's own machine.
    pub redirect_uris: Vec<String>,
    /// After how many days a user must sign in again.
    pub session_days: u32,
    /// After how many days a user must sign in again when nothing has renewed their session meanwhile.
    pub session_idle_days: u32,
    /// The identity provider at which users sign in; with passwords, here, when absent.
    pub oidc: Option<OidcSettings>,
}

/// An identity provider that speaks OpenID Connect, and what is believed of it.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its issuer: where its description is, before `/.well-known/openid-configuration`.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// The secret that it gave this server, if it gave one.
    pub client_secret: Option<SecretString>,
    /// What it is asked for, with spaces between.
    pub scopes: String,
    /// The claim with a user's groups, each of which is a team; absent: teams are managed here.
    pub groups_claim: Option<String>,
    /// The domains of e-mail addresses that may sign in; all when empty.
    pub email_domains: Vec<String>,
    /// Whether an address that it does not call verified is believed.
    pub unverified_email: bool,
    /// Whether somebody without an invite becomes a member of the Organization.
    pub join: bool,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self { redirect_uris: Vec::new(), session_days: 30, session_idle_days: 7, oidc: None }
    }
}

/// What is kept of the logs that pass the gate.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// For how many days; for ever when absent.
    pub keep_days: Option<NonZeroU32>,
    /// How many bytes of text of each Deployment, about; none is kept when 0.
    pub keep_bytes: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { keep_days: NonZeroU32::new(7), keep_bytes: 64 << 20 }
    }
}

/// What bounds the calls that go through the gate.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// The largest body of a call that is none of the following, in bytes.
    pub json_body: usize,
    /// The largest piece of a log, in bytes.
    pub logs_body: usize,
    /// The largest value that a task stores, such as an XCom, in bytes.
    pub value_body: usize,
    /// How many calls each agent token can have under way.
    pub calls_per_token: u32,
    /// How long an Airflow may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long a call may go on without anything moving in either direction.
    pub stall_timeout: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            json_body: 1 << 20,
            // A stock worker sends 512 Ki characters at once, of which JSON makes up to 6 bytes
            // each. A piece that is refused would lose its job.
            logs_body: 4 << 20,
            value_body: 64 << 20,
            calls_per_token: 64,
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// How Organizations' allowed IP address ranges are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedRanges {
    /// Nobody is let in from elsewhere, and nobody can lock themselves out.
    Guarded,
    /// Nobody is let in from elsewhere, and a change may lock out whoever makes it.
    Unguarded,
    /// Everybody is let in, so that somebody who was locked out can mend the ranges.
    Ignored,
}

/// Calls a second that each token may make, by method; unlimited when absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimits {
    /// For GET.
    pub get: Option<NonZeroU32>,
    /// For POST.
    pub post: Option<NonZeroU32>,
    /// For DELETE.
    pub delete: Option<NonZeroU32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8888".into(),
            agent_tokens_per_deployment: 50,
            agent_heartbeat_interval: 30,
            airflow_check_interval: 30,
            rate_limits: RateLimits::default(),
            audit_retention_days: None,
            refusals_kept: 100_000,
            trusted_proxies: Ranges::default(),
            allowed_ranges: AllowedRanges::Guarded,
            login: LoginSettings::default(),
            catalogue: Arc::new(Catalogue::built_in()),
            gate: GateSettings::default(),
            deploys: DeploySettings::default(),
            logs: LogSettings::default(),
        }
    }
}
