//! The rules of Airlock, without I/O.
//!
//! - [`policy`] decides who may do what; only it makes a [`policy::Granted`].
//! - [`agent`] says how a remote worker is.
//! - [`agent_token`] and [`api_token`] say what tokens look like and what makes them good.
//! - [`address`] says where a request comes from when proxies stand between.
//! - [`agent_key`] is the public half of a key that an agent made for itself.
//! - [`gate`] holds what a remote agent may ask of an Airflow, and how it proves who it is.
//! - [`environment`] says what environment objects hold, and what of it is secret.
//! - [`hibernation`] says when a Deployment sleeps, by [`cron`] expressions and by an override.
//! - [`keyring`] derives every secret from the master key; nothing recoverable is stored.
//! - [`session`] is what users hold after a login, and [`login`] how they get it.
//! - [`error`] is the one error that crosses crate boundaries.
//! - [`env`] brings time and chance in, so that tests own both.

pub mod address;
pub mod agent;
pub mod agent_key;
pub mod agent_token;
pub mod api_token;
pub mod catalogue;
pub mod cron;
pub mod env;
pub mod environment;
pub mod error;
pub mod gate;
pub mod hibernation;
pub mod keyring;
pub mod login;
pub mod policy;
pub mod session;
pub mod upload_link;

pub use env::Env;
pub use error::{Error, FieldError, Result};
