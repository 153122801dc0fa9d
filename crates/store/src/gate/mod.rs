//! What the gate keeps: the agents that come, and the jobs that they were handed.
//!
//! A request through the gate has no API token and so no [`airlock_core::policy::Granted`]; its
//! proof is the [`LiveToken`] that it was verified with, which every function here takes. Agents
//! report every few seconds, so what they report is kept without an audit record, through
//! [`Recording`]. That an agent registered is audited, and so it takes a [`crate::Writing`].

pub mod agents;
pub mod jobs;

use std::sync::Arc;

use airlock_contract::Time;
use airlock_core::Result;

use crate::{
    Store,
    authority::Authority,
    db::{Conn, Reads, sealed::Sealed},
};

/// A handle for what agents report. It commits without an audit entry.
pub struct Recording {
    conn: Conn,
    authority: Arc<Authority>,
}

impl Sealed for Recording {
    fn conn(&self) -> &Conn {
        &self.conn
    }
}
impl Reads for Recording {}

impl Recording {
    /// Makes it durable; answers when it is on disk.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn commit(self) -> Result<()> {
        self.conn.commit(&self.authority, Vec::new(), Time::from_micros(0)).await
    }
}

impl Store {
    /// A handle for what agents report.
    ///
    /// # Errors
    ///
    /// [`airlock_core::Error::Busy`] when the database cannot be reached.
    pub async fn recording(&self) -> Result<Recording> {
        Ok(Recording { conn: self.begin().await?, authority: Arc::clone(&self.authority) })
    }
}
