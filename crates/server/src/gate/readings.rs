//! That an agent was given secrets, in the audit log before it has them.
//!
//! It is there once a day for each token and secret, which is what one needs to know of an agent that
//! was taken over, and does not slow those that read the same things again and again.

use airlock_contract::{AgentTokenId, Time};
use airlock_core::Result;
use airlock_store::live_tokens::LiveToken;
use quick_cache::sync::Cache;

use super::knock::Knock;
use crate::change::{self, Recorded};

/// How long the record of a reading stands for others like it, in seconds.
const RECORDED_FOR: i64 = 86_400;

/// How many readings are remembered. One that is forgotten is recorded again.
const REMEMBERED: usize = 100_000;

/// What holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// An environment object, by its id.
    EnvironmentObject,
    /// A connection of the Airflow, by its own id there.
    AirflowConnection,
}

impl Holder {
    /// The word that the audit log has for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::EnvironmentObject => "environmentObject",
            Self::AirflowConnection => "airflowConnection",
        }
    }
}

/// Which secrets were given to whom, and when that was recorded.
pub(super) struct Readings(Cache<(AgentTokenId, Holder, String), Time>);

impl Default for Readings {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// Records that an agent or its tasks are given a secret, unless that was recorded lately.
///
/// # Errors
///
/// Those of the database. The secret must not be given then.
pub(super) async fn record(knock: &Knock<'_>, token: &LiveToken, holder: Holder, id: &str) -> Result<()> {
    let app = knock.app;
    let now = app.env.now();
    let reading = (token.id.clone(), holder, id.to_owned());
    let is_recorded = |at: Time| now < at.plus_seconds(RECORDED_FOR);
    if app.gate.readings.0.get(&reading).is_some_and(is_recorded) {
        return Ok(());
    }
    change::commit(app, &Recorded(knock.read(token, holder.as_str(), id))).await?;
    app.gate.readings.0.insert(reading, now);
    Ok(())
}
