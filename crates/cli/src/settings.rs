//! The server's settings: flags, then environment, then one TOML file, then defaults.
//!
//! They are declared once, as clap arguments. A key of the file is the flag's name with `_` for
//! `-`; its value takes the place of the default, so that flags and environment go before it, and
//! clap checks it like any other.

mod command_line;
#[cfg(test)]
mod page;
mod values;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use airlock_core::{address::Ranges, catalogue::Catalogue};
use airlock_server::{
    AllowedRanges, BundleStorage, DeploySettings, GateSettings, LogSettings, LoginSettings, OidcSettings, RateLimits,
    Settings,
};
use airlock_store::{Location, Membership};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

use self::values::{
    RedirectUris, admin_listen, catalogue, days, issuer, lease, log_filter, postgres_url, ranges, redirect_uris,
    seconds, whole_number,
};
pub(crate) use self::{
    command_line::{Refused, parse},
    values::{AdminListen, http_url},
};

/// The port of the admin address, unless set otherwise.
const ADMIN_PORT: u16 = 9888;

/// Where the server listens, what it keeps where, and what it allows.
#[derive(Args, Clone)]
pub(crate) struct ServerSettings {
    /// A TOML file with settings: its keys are these flags, with `_` for `-`.
    #[arg(long, env = "AIRLOCK_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The address to listen on.
    #[arg(long, env = "AIRLOCK_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8888")]
    pub(crate) listen: SocketAddr,

    /// The address for those who run the server: /metrics, /livez and /readyz, without TLS and
    /// without a token. `off` for none. Without it: port 9888 of the loopback address; any free
    /// port when --listen takes any.
    #[arg(long, env = "AIRLOCK_ADMIN_LISTEN", value_name = "ADDRESS:PORT", value_parser = admin_listen)]
    admin_listen: Option<AdminListen>,

    /// The server's certificate as PEM, and after it the chain to a root. TLS is spoken when it is
    /// given. Read again when the file changes, and on SIGHUP.
    #[arg(long, env = "AIRLOCK_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,

    /// The private key of the certificate, as PEM.
    #[arg(long, env = "AIRLOCK_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The OpenTelemetry collector that gets a span for each request, by OTLP over HTTP: the URL
    /// before /v1/traces. Only in binaries that were built with the feature `otlp`.
    #[arg(long, env = "AIRLOCK_OTLP_ENDPOINT", value_name = "URL", value_parser = http_url)]
    pub(crate) otlp_endpoint: Option<String>,

    /// How many seconds a client may take from one request to the end of the next one's head. Let it
    /// be longer than the load balancer in front keeps idle connections, which most do for 60.
    #[arg(long, env = "AIRLOCK_IDLE_TIMEOUT", value_name = "SECONDS", default_value_t = 75, value_parser = seconds)]
    idle_timeout: u32,

    /// How many seconds the server answers /readyz with 503, and everything else as before, when
    /// it is told to stop: load balancers need some to notice.
    #[arg(long, env = "AIRLOCK_DRAIN", value_name = "SECONDS", default_value_t = 0, value_parser = whole_number)]
    drain: u32,

    /// Where clients reach the server. It is in the tokens and in the addresses that agents get.
    /// Without it: http:// or https://, and the address that it listens on.
    #[arg(long, env = "AIRLOCK_PUBLIC_URL", value_name = "URL", value_parser = http_url)]
    pub(crate) public_url: Option<String>,

    /// The folder of the SQLite database and of the master key.
    #[arg(long, env = "AIRLOCK_DATA_DIR", value_name = "DIR", default_value = "airlock-data")]
    pub(crate) data_dir: PathBuf,

    /// A PostgreSQL database, postgres://user@host/name; without it, SQLite in the data folder.
    #[arg(long, env = "AIRLOCK_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = postgres_url)]
    database_url: Option<SecretString>,

    /// How long a replica on PostgreSQL may answer from memory without having asked the database, in
    /// milliseconds. A DELETE waits a quarter longer than this at the most for replicas that are
    /// frozen or cut off; once it has answered, none of them accepts the token.
    #[arg(long, env = "AIRLOCK_LEASE", value_name = "MILLISECONDS", default_value_t = 1000, value_parser = lease)]
    lease: u64,

    /// What this replica is called in `airlock replicas`; without it, the machine's name and the port.
    #[arg(long, env = "AIRLOCK_REPLICA_NAME", value_name = "NAME")]
    replica_name: Option<String>,

    /// The file of the master key; without it, master.key in the data folder. Made, with mode
    /// 0600, when the database is empty and there is none.
    #[arg(long, env = "AIRLOCK_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,

    /// The master key itself, instead of a file. Give it by the environment: flags can be seen by
    /// other users of the machine.
    #[arg(long, env = "AIRLOCK_MASTER_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) master_key: Option<SecretString>,

    /// How many agent tokens that are good a Deployment can have.
    #[arg(long, env = "AIRLOCK_AGENT_TOKENS_PER_DEPLOYMENT", value_name = "N", default_value_t = 50, value_parser = whole_number)]
    agent_tokens_per_deployment: u32,

    /// Seconds between two heartbeats of an agent, as its Airflow has it in [edge]
    /// heartbeat_interval. When three are missing, the agent is unhealthy.
    #[arg(long, env = "AIRLOCK_AGENT_HEARTBEAT_INTERVAL", value_name = "SECONDS", default_value_t = 30, value_parser = seconds)]
    agent_heartbeat_interval: u32,

    /// How often each Deployment's Airflow is looked at, in seconds, for its status.
    #[arg(long, env = "AIRLOCK_AIRFLOW_CHECK_INTERVAL", value_name = "SECONDS", default_value_t = 30, value_parser = seconds)]
    airflow_check_interval: u32,

    /// GET calls that each token may make a second; unlimited when 0.
    #[arg(long, env = "AIRLOCK_RATE_LIMIT_GET", value_name = "N", default_value_t = 0, value_parser = whole_number)]
    rate_limit_get: u32,

    /// POST calls that each token may make a second; unlimited when 0.
    #[arg(long, env = "AIRLOCK_RATE_LIMIT_POST", value_name = "N", default_value_t = 0, value_parser = whole_number)]
    rate_limit_post: u32,

    /// DELETE calls that each token may make a second; unlimited when 0.
    #[arg(long, env = "AIRLOCK_RATE_LIMIT_DELETE", value_name = "N", default_value_t = 0, value_parser = whole_number)]
    rate_limit_delete: u32,

    /// After how many days audit records are removed; never when 0.
    #[arg(long, env = "AIRLOCK_AUDIT_RETENTION_DAYS", value_name = "DAYS", default_value_t = 0, value_parser = whole_number)]
    audit_retention_days: u32,

    /// How many records of refused requests the audit log keeps at the most.
    #[arg(long, env = "AIRLOCK_REFUSALS_KEPT", value_name = "N", default_value_t = 100_000, value_parser = whole_number)]
    refusals_kept: u32,

    /// The proxies whose X-Forwarded-For is believed: addresses, or ranges such as 10.0.0.0/8, with
    /// commas between. From all others it is what any client could send.
    #[arg(long, env = "AIRLOCK_TRUSTED_PROXIES", value_name = "RANGES", default_value = "", hide_default_value = true, value_parser = ranges)]
    trusted_proxies: Ranges,

    /// How the allowed IP address ranges of Organizations are kept. `guarded`: nobody is let in from
    /// elsewhere, or can remove what lets them in themselves. `unguarded`: they can. `ignored`:
    /// everybody is let in, so that somebody who was locked out can mend the ranges.
    #[arg(long, env = "AIRLOCK_ALLOWED_RANGES", value_name = "MODE", value_enum, default_value_t = AllowedRangesMode::Guarded)]
    allowed_ranges: AllowedRangesMode,

    /// Where a browser may be sent when a user has signed in, besides programs on the user's own
    /// machine: addresses with commas between, compared letter by letter.
    #[arg(long, env = "AIRLOCK_LOGIN_REDIRECT_URIS", value_name = "URLS", default_value = "", hide_default_value = true, value_parser = redirect_uris)]
    login_redirect_uris: RedirectUris,

    /// After how many days a user must sign in again.
    #[arg(long, env = "AIRLOCK_SESSION_DAYS", value_name = "DAYS", default_value_t = LoginSettings::default().session_days, value_parser = days)]
    session_days: u32,

    /// After how many days a user must sign in again when nothing has renewed their session meanwhile.
    #[arg(long, env = "AIRLOCK_SESSION_IDLE_DAYS", value_name = "DAYS", default_value_t = LoginSettings::default().session_idle_days, value_parser = days)]
    session_idle_days: u32,

    /// The identity provider at which users sign in, by OpenID Connect: its issuer, exactly as it
    /// calls itself. Without it, users sign in with a password. Its redirect address for this server
    /// is the public URL and /oauth2/callback.
    #[arg(long, env = "AIRLOCK_OIDC_ISSUER", value_name = "URL", value_parser = issuer)]
    oidc_issuer: Option<String>,

    /// What the identity provider calls this server.
    #[arg(long, env = "AIRLOCK_OIDC_CLIENT_ID", value_name = "ID", requires = "oidc_issuer")]
    oidc_client_id: Option<String>,

    /// The secret that the identity provider gave this server. Give it by the environment or by a
    /// file: flags can be seen by other users of the machine.
    #[arg(
        long,
        env = "AIRLOCK_OIDC_CLIENT_SECRET",
        value_name = "SECRET",
        hide_env_values = true,
        conflicts_with = "oidc_client_secret_file"
    )]
    oidc_client_secret: Option<SecretString>,

    /// The file of that secret.
    #[arg(long, env = "AIRLOCK_OIDC_CLIENT_SECRET_FILE", value_name = "FILE")]
    oidc_client_secret_file: Option<PathBuf>,

    /// What the identity provider is asked for, with spaces between.
    #[arg(long, env = "AIRLOCK_OIDC_SCOPES", value_name = "SCOPES", default_value = "openid profile email")]
    oidc_scopes: String,

    /// The claim of the identity provider that lists a user's groups. Each group becomes a team, which
    /// only the provider manages; at each login users enter and leave those teams. Without it, teams
    /// are managed here.
    #[arg(long, env = "AIRLOCK_OIDC_GROUPS_CLAIM", value_name = "CLAIM")]
    oidc_groups_claim: Option<String>,

    /// The domains of e-mail addresses that may sign in at the identity provider, with commas between;
    /// without it, all.
    #[arg(
        long,
        env = "AIRLOCK_OIDC_EMAIL_DOMAINS",
        value_name = "DOMAINS",
        default_value = "",
        hide_default_value = true
    )]
    oidc_email_domains: String,

    /// Whether an e-mail address is believed that the identity provider does not call verified. Only for
    /// a provider where nobody can choose their own address.
    #[arg(long, env = "AIRLOCK_OIDC_UNVERIFIED_EMAIL", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    oidc_unverified_email: bool,

    /// Whether whoever signs in at the identity provider without an invite becomes a member of the
    /// Organization. Otherwise they are refused.
    #[arg(long, env = "AIRLOCK_OIDC_JOIN", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    oidc_join: bool,

    /// A TOML file that says what clusters and Deployments can be made of, which is what clients
    /// offer; without it, what `airlock catalogue` prints.
    #[arg(long, env = "AIRLOCK_CATALOGUE", value_name = "FILE", value_parser = catalogue)]
    catalogue: Option<Arc<Catalogue>>,

    /// The largest piece of a task's log that goes through the gate, in bytes. A stock worker sends
    /// up to 3 MiB at once; a job whose piece is refused is lost.
    #[arg(long, env = "AIRLOCK_GATE_LOG_BYTES", value_name = "BYTES", default_value_t = GateSettings::default().logs_body)]
    gate_log_bytes: usize,

    /// The largest value that a task can store through the gate, such as an XCom or a variable, in
    /// bytes.
    #[arg(long, env = "AIRLOCK_GATE_VALUE_BYTES", value_name = "BYTES", default_value_t = GateSettings::default().value_body)]
    gate_value_bytes: usize,

    /// The largest body of any other call through the gate, in bytes.
    #[arg(long, env = "AIRLOCK_GATE_BODY_BYTES", value_name = "BYTES", default_value_t = GateSettings::default().json_body)]
    gate_body_bytes: usize,

    /// How many calls each agent token can have under way at the gate at the same time.
    #[arg(long, env = "AIRLOCK_GATE_CALLS_PER_TOKEN", value_name = "N", default_value_t = GateSettings::default().calls_per_token, value_parser = whole_number)]
    gate_calls_per_token: u32,

    /// How many seconds an Airflow may take to accept a connection.
    #[arg(long, env = "AIRLOCK_GATE_CONNECT_SECONDS", value_name = "SECONDS", default_value_t = whole_seconds(GateSettings::default().connect_timeout), value_parser = seconds)]
    gate_connect_seconds: u32,

    /// After how many seconds in which nothing moves, in either direction, a call at the gate is
    /// given up.
    #[arg(long, env = "AIRLOCK_GATE_STALL_SECONDS", value_name = "SECONDS", default_value_t = whole_seconds(GateSettings::default().stall_timeout), value_parser = seconds)]
    gate_stall_seconds: u32,

    /// Where the archives of deploys are kept: a folder, or s3://bucket/prefix, whose access is in the
    /// usual AWS_ variables of the environment. Without it: bundles in the data folder.
    #[arg(long, env = "AIRLOCK_BUNDLES", value_name = "DIR|URL")]
    bundles: Option<String>,

    /// How large the archive of a deploy may be as it is uploaded, in bytes.
    #[arg(long, env = "AIRLOCK_UPLOAD_BYTES", value_name = "BYTES", default_value_t = DeploySettings::default().upload_bytes)]
    upload_bytes: u64,

    /// How much the archive of a deploy may hold, in bytes.
    #[arg(long, env = "AIRLOCK_BUNDLE_BYTES", value_name = "BYTES", default_value_t = DeploySettings::default().limits.bytes)]
    bundle_bytes: u64,

    /// How many files, folders and links the archive of a deploy may hold.
    #[arg(long, env = "AIRLOCK_BUNDLE_FILES", value_name = "N", default_value_t = DeploySettings::default().limits.files)]
    bundle_files: u64,

    /// How many archives of Dags, and of each bundle, a Deployment keeps to roll back to.
    #[arg(long, env = "AIRLOCK_DEPLOYS_KEPT", value_name = "N", default_value_t = DeploySettings::default().kept)]
    deploys_kept: NonZeroU32,

    /// For how many days the logs of Deployments are kept that passed the gate; for ever when 0.
    #[arg(long, env = "AIRLOCK_LOGS_KEEP_DAYS", value_name = "DAYS", default_value_t = 7, value_parser = whole_number)]
    logs_keep_days: u32,

    /// How many megabytes of them are kept of each Deployment, the newest; 0 keeps none. They may
    /// hold whatever tasks print.
    #[arg(long, env = "AIRLOCK_LOGS_KEEP_MEGABYTES", value_name = "MEGABYTES", default_value_t = 64, value_parser = whole_number)]
    logs_keep_megabytes: u32,

    /// What to log, to standard error: error, warn, info, debug or trace, also by module.
    #[arg(long, env = "AIRLOCK_LOG", value_name = "FILTER", default_value = "info,refinery_core=warn", value_parser = log_filter)]
    pub(crate) log: String,

    /// The form of the log.
    #[arg(long, env = "AIRLOCK_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// How the allowed IP address ranges of Organizations are kept.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AllowedRangesMode {
    /// Nobody is let in from elsewhere, and nobody can remove what lets them in themselves.
    Guarded,
    /// Nobody is let in from elsewhere, and whoever removes ranges may be locked out by that.
    Unguarded,
    /// Everybody is let in. For as long as it takes to mend the ranges of somebody locked out.
    Ignored,
}

impl From<AllowedRangesMode> for AllowedRanges {
    fn from(mode: AllowedRangesMode) -> Self {
        match mode {
            AllowedRangesMode::Guarded => Self::Guarded,
            AllowedRangesMode::Unguarded => Self::Unguarded,
            AllowedRangesMode::Ignored => Self::Ignored,
        }
    }
}

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl ServerSettings {
    pub(crate) fn location(&self) -> Location {
        match &self.database_url {
            Some(url) => Location::Postgres(url.expose_secret().to_owned()),
            None => Location::Sqlite(self.data_dir.join("airlock.db")),
        }
    }

    /// Where `/metrics` is, if anywhere.
    pub(crate) fn admin_listen(&self) -> Option<SocketAddr> {
        match self.admin_listen {
            Some(AdminListen::Off) => None,
            Some(AdminListen::At(address)) => Some(address),
            None => Some((Ipv4Addr::LOCALHOST, if self.listen.port() == 0 { 0 } else { ADMIN_PORT }).into()),
        }
    }

    /// The files of the certificate and its key, if TLS is to be spoken.
    pub(crate) fn tls(&self) -> anyhow::Result<Option<(&Path, &Path)>> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => bail!("--tls-certificate and --tls-key go together; one of them is missing"),
        }
    }

    /// How long a client may take for a request's head.
    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout.into())
    }

    /// How long to say that the server is about to stop before it does.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain.into())
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.master_key_file.clone().unwrap_or_else(|| self.data_dir.join("master.key"))
    }

    /// How this process takes part among the replicas on one database.
    pub(crate) fn membership(&self, listening: SocketAddr) -> Membership {
        let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = self.replica_name.clone();
        Membership {
            name: name.unwrap_or_else(|| format!("{}:{}", machine().trim(), listening.port())),
            version: env!("CARGO_PKG_VERSION"),
            lease: Duration::from_millis(self.lease),
        }
    }

    /// The identity provider, if there is one.
    pub(crate) fn oidc(&self) -> anyhow::Result<Option<OidcSettings>> {
        let Some(issuer) = &self.oidc_issuer else { return Ok(None) };
        let client_id = self.oidc_client_id.clone().context("--oidc-issuer needs --oidc-client-id")?;
        let read = |file: &PathBuf| {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("the client secret {} cannot be read", file.display()))?;
            anyhow::ensure!(!text.trim().is_empty(), "the client secret {} is empty", file.display());
            Ok::<_, anyhow::Error>(SecretString::from(text.trim().to_owned()))
        };
        let from_file = self.oidc_client_secret_file.as_ref().map(read).transpose()?;
        let client_secret = self.oidc_client_secret.clone().or(from_file);
        let is_empty = |secret: &SecretString| secret.expose_secret().is_empty();
        anyhow::ensure!(!client_secret.as_ref().is_some_and(is_empty), "--oidc-client-secret is empty");
        // OpenID Connect Core section 3.1.2.1: without it there is no ID token.
        let has_openid = self.oidc_scopes.split(' ').any(|scope| scope == "openid");
        anyhow::ensure!(has_openid, "--oidc-scopes must have openid");
        let domains = self.oidc_email_domains.split(',').map(str::trim).filter(|domain| !domain.is_empty());
        let email_domains: Vec<String> = domains.map(str::to_owned).collect();
        // Nobody means everybody who writes this.
        let limits_none = email_domains.is_empty() && !self.oidc_email_domains.is_empty();
        anyhow::ensure!(!limits_none, "--oidc-email-domains names no domain");
        Ok(Some(OidcSettings {
            issuer: issuer.clone(),
            client_id,
            client_secret,
            scopes: self.oidc_scopes.clone(),
            groups_claim: self.oidc_groups_claim.clone(),
            email_domains,
            unverified_email: self.oidc_unverified_email,
            join: self.oidc_join,
        }))
    }

    /// Where clients reach the server, which listens at this address; without a slash at the end.
    pub(crate) fn public_url(&self, listening: SocketAddr) -> String {
        let public_url = self.public_url.clone().unwrap_or_else(|| {
            let scheme = if self.tls_certificate.is_some() { "https" } else { "http" };
            format!("{scheme}://{listening}")
        });
        public_url.trim_end_matches('/').to_owned()
    }

    /// Where the archives of deploys are kept.
    fn bundle_storage(&self) -> anyhow::Result<BundleStorage> {
        let storage = match self.bundles.as_deref() {
            Some(url) if url.contains("://") => BundleStorage::s3(url),
            Some(folder) => BundleStorage::folder(Path::new(folder)),
            None => BundleStorage::folder(&self.data_dir.join("bundles")),
        };
        let storage = storage.context("the bundle storage (--bundles)")?;
        if storage.is_folder() && self.database_url.is_some() {
            tracing::warn!(
                "the archives of deploys are kept in a folder: replicas on other machines lack them unless they share it"
            );
        }
        Ok(storage)
    }

    /// The settings of the server proper, which listens at this address.
    pub(crate) fn server(&self, listening: SocketAddr) -> anyhow::Result<Settings> {
        Ok(Settings {
            public_url: self.public_url(listening),
            agent_tokens_per_deployment: self.agent_tokens_per_deployment,
            agent_heartbeat_interval: self.agent_heartbeat_interval,
            airflow_check_interval: self.airflow_check_interval,
            rate_limits: RateLimits {
                get: NonZeroU32::new(self.rate_limit_get),
                post: NonZeroU32::new(self.rate_limit_post),
                delete: NonZeroU32::new(self.rate_limit_delete),
            },
            audit_retention_days: NonZeroU32::new(self.audit_retention_days),
            refusals_kept: self.refusals_kept,
            trusted_proxies: self.trusted_proxies.clone(),
            allowed_ranges: self.allowed_ranges.into(),
            login: LoginSettings {
                redirect_uris: self.login_redirect_uris.0.clone(),
                session_days: self.session_days,
                session_idle_days: self.session_idle_days,
                oidc: self.oidc()?,
            },
            catalogue: self.catalogue.clone().unwrap_or_else(|| Arc::new(Catalogue::built_in())),
            gate: GateSettings {
                json_body: self.gate_body_bytes,
                logs_body: self.gate_log_bytes,
                value_body: self.gate_value_bytes,
                calls_per_token: self.gate_calls_per_token,
                connect_timeout: Duration::from_secs(self.gate_connect_seconds.into()),
                stall_timeout: Duration::from_secs(self.gate_stall_seconds.into()),
            },
            deploys: DeploySettings {
                storage: self.bundle_storage()?,
                upload_bytes: self.upload_bytes,
                limits: airlock_bundle::Limits { bytes: self.bundle_bytes, files: self.bundle_files },
                kept: self.deploys_kept,
            },
            logs: LogSettings {
                keep_days: NonZeroU32::new(self.logs_keep_days),
                keep_bytes: u64::from(self.logs_keep_megabytes) << 20,
            },
        })
    }
}

/// Whole seconds, as a setting shows them.
fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
