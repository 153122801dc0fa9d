//! The harness: a whole server in process, on SQLite or on PostgreSQL, with a clock and dice that
//! the test owns.
//!
//! Tests go through the front door: they send requests to the router and look at what comes back.

pub mod agents;
pub mod airflow;
pub mod archives;
pub mod binary;
pub mod browser;
mod database;
mod env;
pub mod link;
pub mod operations;
mod postgres;
pub mod samples;
pub mod site;
mod worker;
mod world;

pub use database::{Database, dumped};
pub use env::TestClock;
pub use postgres::PrivatePostgres;
pub use site::Site;
pub use worker::Worker;
pub use world::{Answer, MASTER_KEY, World};

/// Declares tests that run on SQLite and on PostgreSQL, each in a [`World`] of its own.
#[macro_export]
macro_rules! on_both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($world:ident) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($world: $crate::World) $body

            #[tokio::test]
            async fn sqlite() {
                run($crate::World::new($crate::Database::sqlite()).await).await;
            }

            #[tokio::test]
            async fn postgres() {
                if let Some(database) = $crate::Database::postgres().await {
                    run($crate::World::new(database).await).await;
                }
            }
        }
    )*};
}
