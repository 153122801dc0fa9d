//! `/organizations/{organizationId}/deployments/{deploymentId}/airflow-check`

use airlock_contract::{operations::CheckAirflow, wire::AirflowCheck};
use airlock_core::Result;

use crate::{
    adaptor::{Call, Handlers, Inquiry},
    airflow::health,
};

impl Inquiry<CheckAirflow> for Handlers {
    async fn inquire(call: &Call<'_, CheckAirflow>) -> Result<AirflowCheck> {
        health::look(call.app, call.granted.deployment()).await
    }
}
