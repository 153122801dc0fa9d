//! `airlock serve`, `airlock init`, `airlock new-owner` and `airlock migrate`.

use std::{net::SocketAddr, time::Duration};

use airlock_core::Env;
use airlock_server::{App, FirstRecords, admin_router, bootstrap, router};
use airlock_store::Store;
use anyhow::{Context, bail};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::sleep};

use crate::{
    listen::{self, Service, tls::Certificate},
    local, log, output,
    settings::ServerSettings,
    signals::Signals,
    traces::Traces,
};

/// How long requests that have begun may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the server until it is told to stop.
pub(crate) async fn serve(settings: &ServerSettings) -> anyhow::Result<()> {
    start_log(settings);
    let tls = settings.tls()?.map(|(certificate, key)| Certificate::read(certificate, key)).transpose()?;
    let traces = settings.otlp_endpoint.as_deref().map(Traces::to).transpose()?;
    let mut signals = Signals::catch()?; // from the first moment, so that nothing is left half-done
    let (listener, address) = bind(settings.listen, "--listen").await?;
    let admin = match settings.admin_listen() {
        Some(address) => Some(bind(address, "--admin-listen").await?),
        None => None,
    };
    let (app, store) = open(settings, address).await?;
    store.start(settings.membership(address), &Env::system()).await?;
    if let Some(first) = bootstrap(&app).await? {
        show(&first, settings, address)?;
    }
    let mut beside = JoinSet::new(); // ends with this function
    beside.spawn({
        let app = app.clone();
        async move { app.run_upkeep().await }
    });
    if let Some(certificate) = tls.clone() {
        beside.spawn(async move { certificate.follow().await });
    }
    let head = settings.idle_timeout();
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    if let Some((listener, _)) = admin {
        let service = Service { router: admin_router(app.clone()), tls: None, head };
        beside.spawn(listen::serve(listener, service, std::future::pending()));
    }
    let (database, version) = (store_kind(settings), env!("CARGO_PKG_VERSION"));
    tracing::info!(%address, admin_address = admin_address.map(tracing::field::display), tls = tls.is_some(), database, version, "serving");

    let mut router = router(app.clone());
    if let Some(traces) = &traces {
        router = traces.around(router);
    }
    let service = Service { router, tls, head };
    let (stop, stopping) = watch::channel(false);
    let serving = listen::serve(listener, service, until(stopping.clone()));
    tokio::select! {
        () = serving => {}
        () = async {
            drain(&app, settings.drain(), &mut signals).await;
            let _ = stop.send(true);
            sleep(GRACE).await;
        } => {
            tracing::warn!("some clients did not finish their requests within {} s", GRACE.as_secs());
        }
    }
    beside.shutdown().await;
    app.flush().await?;
    if let Err(cause) = store.leave().await {
        tracing::warn!(%cause, "the other replicas will wait for this one until its lease has run out");
    }
    if let Some(traces) = &traces {
        traces.finish().await;
    }
    tracing::info!("stopped");
    Ok(())
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("the address {address} cannot be listened on ({flag})"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Waits for the signal to stop, then for load balancers to notice that the server is about to. A
/// second signal ends that.
async fn drain(app: &App, time: Duration, signals: &mut Signals) {
    signals.next().await;
    app.drain();
    if time.is_zero() {
        return;
    }
    tracing::info!(seconds = time.as_secs(), "draining: /readyz says so, and requests are still answered");
    tokio::select! {
        () = sleep(time) => {}
        () = signals.next() => {}
    }
}

/// Waits until the value is true.
async fn until(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

/// Makes the first records, and ends.
pub(crate) async fn init(settings: &ServerSettings) -> anyhow::Result<()> {
    start_log(settings);
    let (app, _) = open(settings, settings.listen).await?;
    match bootstrap(&app).await? {
        Some(first) => show(&first, settings, settings.listen),
        None => bail!("the database has its first records already; nothing was changed"),
    }
}

/// Makes an Owner's token, and ends.
pub(crate) async fn new_owner(settings: &ServerSettings, organization: Option<&str>) -> anyhow::Result<()> {
    start_log(settings);
    let (app, _) = open(settings, settings.listen).await?;
    let token = airlock_server::new_owner(&app, organization.map(Into::into).as_ref()).await?;
    output::text(&format!(
        "\
Airlock has made a token that may do everything in the Organization. It is shown this once.

  API token  {}

",
        token.expose()
    ))
}

/// Opens a session for a user, and ends.
pub(crate) async fn sign_in(
    settings: &ServerSettings,
    organization: Option<&str>,
    address: &str,
) -> anyhow::Result<()> {
    start_log(settings);
    let (app, _) = open(settings, settings.listen).await?;
    let session = airlock_server::sign_in(&app, organization.map(Into::into).as_ref(), address).await?;
    output::text(&format!(
        "\
Airlock has opened a session of {address}. It is good for 8 hours, where an API token is, and shown this once.

  Session  {}

",
        session.expose()
    ))
}

/// Brings the schema up to date, and ends.
pub(crate) async fn migrate(settings: &ServerSettings) -> anyhow::Result<()> {
    start_log(settings);
    let store = local::open_store(settings).await?;
    output::text(&format!("the schema of the {} database is up to date\n", store.kind()))
}

pub(super) async fn open(settings: &ServerSettings, address: SocketAddr) -> anyhow::Result<(App, Store)> {
    let env = Env::system();
    local::given_keys(settings)?; // before anything is made
    let store = local::open_store(settings).await?;
    let keys = local::keys(settings, &store, &env).await?;
    Ok((App::new(store.clone(), keys, env, settings.server(address)?), store))
}

fn store_kind(settings: &ServerSettings) -> &'static str {
    match settings.location() {
        airlock_store::Location::Sqlite(_) => "SQLite",
        airlock_store::Location::Postgres(_) => "PostgreSQL",
    }
}

fn show(first: &FirstRecords, settings: &ServerSettings, address: SocketAddr) -> anyhow::Result<()> {
    let FirstRecords { organization, workspace, deployment, token } = first;
    let url = settings.public_url(address);
    let token = token.expose();
    output::text(&format!(
        "\
Airlock has made its first records.

  Organization  {organization}
  Workspace     {workspace}
  Deployment    {deployment}
  API token     {token}

The token may do everything, and is shown this once. Paste this into another
terminal, and the commands of {url}/docs/ work there as they stand:

export AIRLOCK_URL='{url}'
export AIRLOCK_ORGANIZATION={organization}
export AIRLOCK_WORKSPACE={workspace}
export AIRLOCK_DEPLOYMENT={deployment}
export AIRLOCK_TOKEN={token}

This creates an agent token without that:

curl -sS -X POST '{url}/v1/organizations/{organization}/deployments/{deployment}/agent-tokens' \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{\"name\": \"my first agent\"}}'

"
    ))
}

pub(super) fn start_log(settings: &ServerSettings) {
    log::start(&settings.log, settings.log_format);
}
