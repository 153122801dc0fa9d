//! Airlock over HTTP.
//!
//! A request passes through, in this order:
//!
//! 1. [`observe`]: counts and times it.
//! 2. [`envelope`]: gives it an id, and turns an error or a panic into the API's error envelope.
//! 3. [`adaptor`]: one per operation, made from the contract: authenticate, count against the rate
//!    limit, look at the address, read the input, authorize, open the handle, call the handler,
//!    audit, commit.
//! 4. [`handlers`]: what each operation does, a file a resource.
//!
//! What the server does on its own account is in [`upkeep`].

mod adaptor;
mod admin;
mod airflow;
mod allow_list;
mod app;
mod authenticate;
mod bootstrap;
mod change;
mod cutoffs;
mod deployment_logs;
mod docs;
mod envelope;
mod form;
mod forward_auth;
mod gate;
mod handlers;
mod health;
mod input;
mod limits;
mod login;
mod meta;
mod metrics;
mod oauth2;
mod observe;
mod record;
mod refusals;
mod remembered;
mod request;
mod router;
mod settings;
mod slots;
mod storage;
mod upkeep;
mod uploads;
mod usage;
mod verify;

pub use admin::admin_router;
pub use app::App;
pub use bootstrap::{FirstRecords, add_organization, bootstrap, new_owner};
pub use login::{add_user, remove_password, set_password, sign_in, sign_out};
pub use metrics::markdown as metrics_markdown;
pub use observe::RouteName;
pub use router::router;
pub use settings::{
    AllowedRanges, DeploySettings, GateSettings, LogSettings, LoginSettings, OidcSettings, RateLimits, Settings,
};
pub use storage::BundleStorage;
