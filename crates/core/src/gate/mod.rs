//! The rules of the gate: what a remote agent may ask of an Airflow, and how it proves who it is.
//!
//! - [`path`] is the allow-list: everything else is refused.
//! - [`worker_jwt`] checks the JWT with which a worker signs a request.
//! - [`task_token`] is what a worker holds instead of a token that Airflow would take.
//! - [`upstream`] signs what goes on to Airflow.

pub mod path;
pub mod task_token;
pub mod upstream;
pub mod worker_jwt;
