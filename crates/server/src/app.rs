//! What all requests share.

use std::sync::Arc;

use airlock_contract::{DeploymentId, OrganizationId};
use airlock_core::{Env, Result, address::Ranges, api_token::TokenHash, keyring::Keyring};
use airlock_store::Store;
use tokio::sync::Semaphore;

use crate::{
    airflow::{self, Airflow},
    allow_list,
    authenticate::{self, Session},
    cutoffs::Wake,
    deployment_logs::Logs,
    gate::Gate,
    health::Health,
    limits::Limits,
    login::Login,
    metrics::Metrics,
    refusals::Refusals,
    remembered::Remembered,
    settings::Settings,
    storage::sweep,
    uploads::Uploads,
    usage::Usage,
};

/// How many archives are checked at the same time.
const ARCHIVE_CHECKS: usize = 2;

/// The server's state. Cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// What is behind an [`App`]; only this crate sees its fields.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) keys: Keyring,
    pub(crate) env: Env,
    pub(crate) settings: Settings,
    /// Callers, by the hash of their token.
    pub(crate) sessions: Remembered<TokenHash, Session>,
    pub(crate) airflows: Remembered<DeploymentId, Airflow>,
    pub(crate) allow_lists: Remembered<OrganizationId, Ranges>,
    pub(crate) limits: Limits,
    pub(crate) login: Login,
    pub(crate) usage: Usage,
    pub(crate) refusals: Refusals,
    pub(crate) logs: Logs,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) gate: Gate,
    pub(crate) cutoffs: Wake,
    pub(crate) uploads: Uploads,
    /// Whose turn it is to have an archive checked, which takes a core.
    pub(crate) archive_checks: Semaphore,
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Puts the server together.
    pub fn new(store: Store, keys: Keyring, env: Env, settings: Settings) -> Self {
        let metrics = Metrics::new(&store);
        Self(Arc::new(Shared {
            sessions: Remembered::new(authenticate::REMEMBERED),
            airflows: Remembered::new(airflow::REMEMBERED),
            allow_lists: Remembered::new(allow_list::REMEMBERED),
            limits: Limits::new(&settings.rate_limits),
            login: Login::new(&settings.login, &env),
            usage: Usage::default(),
            refusals: Refusals::new(metrics.refusals()),
            logs: Logs::new(&settings.logs, metrics.logs()),
            metrics,
            health: Health::default(),
            gate: Gate::new(&settings.gate),
            cutoffs: Wake::default(),
            uploads: Uploads::default(),
            archive_checks: Semaphore::new(ARCHIVE_CHECKS),
            store,
            keys,
            env,
            settings,
        }))
    }

    /// Writes down what is kept in memory for a short while: which tokens were used, what was refused,
    /// and logs. Called every second by [`Self::run_upkeep`], and at the end.
    ///
    /// # Errors
    ///
    /// Those of the database; what could not be written is kept for the next time.
    pub async fn flush(&self) -> Result<()> {
        crate::upkeep::flush(self).await?;
        crate::deployment_logs::flush(self).await
    }

    /// Removes logs that are too old or too many. Called every minute by [`Self::run_upkeep`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn tidy_logs(&self) -> Result<()> {
        crate::deployment_logs::tidy(self).await
    }

    /// Counts in the database what the metrics tell of it. Called every 15 seconds by
    /// [`Self::run_upkeep`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn count(&self) -> Result<()> {
        crate::metrics::count(self).await
    }

    /// Lets go of deploys that were not finalized and of archives that are too old, and removes from the
    /// bundle storage what nothing needs. Called every minute by [`Self::run_upkeep`].
    ///
    /// # Errors
    ///
    /// Those of the database and of the storage; what could not be removed is removed the next time.
    pub async fn tidy_bundles(&self) -> Result<()> {
        sweep::let_go(self).await?;
        sweep::sweep(self).await
    }

    /// Tells everybody who asks whether the server is ready that it is not any more, so that load
    /// balancers send their requests elsewhere. Requests are still answered.
    pub fn drain(&self) {
        self.health.drain();
    }

    /// Does the server's own work, until it is dropped.
    pub async fn run_upkeep(&self) {
        tokio::join!(
            crate::upkeep::run(self),
            crate::deployment_logs::run(self),
            crate::cutoffs::run(self),
            crate::airflow::health::run(self),
            sweep::run(self)
        );
    }
}
