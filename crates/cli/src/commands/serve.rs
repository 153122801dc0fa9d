//! `airlock serve`, `airlock init` and `airlock migrate`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use airlock_core::Env;
use airlock_server::{App, FirstRecords, bootstrap, router};
use airlock_store::Store;
use anyhow::{Context, bail};
use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
    time::sleep,
};

use crate::{
    local, output,
    settings::{LogFormat, ServerSettings},
};

/// How long requests that have begun may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the server until it is told to stop.
pub(crate) async fn serve(settings: &ServerSettings) -> anyhow::Result<()> {
    start_log(settings);
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("the address {} cannot be listened on (--listen)", settings.listen))?;
    let address = listener.local_addr()?;
    let (app, store) = open(settings, address).await?;
    store.start(settings.membership(address), &Env::system()).await?;
    if let Some(first) = bootstrap(&app).await? {
        show(&first, settings, address)?;
    }
    let upkeep = tokio::spawn({
        let app = app.clone();
        async move { app.run_upkeep().await }
    });
    tracing::info!(%address, database = store_kind(settings), version = env!("CARGO_PKG_VERSION"), "serving");
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    // Answers are small and whole: waiting to fill a packet would only delay them.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stopping = Arc::new(Notify::new());
    let serving = axum::serve(listener, service).with_graceful_shutdown({
        let stopping = Arc::clone(&stopping);
        async move {
            stop_signal().await;
            stopping.notify_one();
        }
    });
    tokio::select! {
        served = async { serving.await } => served?,
        () = async { stopping.notified().await; sleep(GRACE).await } => {
            tracing::warn!("some clients did not finish their requests within {} s", GRACE.as_secs());
        }
    }
    upkeep.abort();
    app.flush().await?;
    if let Err(cause) = store.leave().await {
        tracing::warn!(%cause, "the other replicas will wait for this one until its lease has run out");
    }
    tracing::info!("stopped");
    Ok(())
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

/// Brings the schema up to date, and ends.
pub(crate) async fn migrate(settings: &ServerSettings) -> anyhow::Result<()> {
    start_log(settings);
    let store = local::open_store(settings).await?;
    output::text(&format!("the schema of the {} database is up to date\n", store.kind()))
}

async fn open(settings: &ServerSettings, address: SocketAddr) -> anyhow::Result<(App, Store)> {
    let env = Env::system();
    local::given_keys(settings)?; // before anything is made
    let store = local::open_store(settings).await?;
    let keys = local::keys(settings, &store, &env).await?;
    Ok((App::new(store.clone(), keys, env, settings.server(address)), store))
}

fn store_kind(settings: &ServerSettings) -> &'static str {
    match settings.location() {
        airlock_store::Location::Sqlite(_) => "SQLite",
        airlock_store::Location::Postgres(_) => "PostgreSQL",
    }
}

fn show(first: &FirstRecords, settings: &ServerSettings, address: SocketAddr) -> anyhow::Result<()> {
    let FirstRecords { organization, workspace, deployment, token } = first;
    let url = settings.server(address).public_url;
    let token = token.expose();
    output::text(&format!(
        "\
Airlock has made its first records.

  Organization  {organization}
  Workspace     {workspace}
  Deployment    {deployment}
  API token     {token}

The token may do everything, and is shown this once. To create an agent token with it:

curl -sS -X POST '{url}/v1/organizations/{organization}/deployments/{deployment}/agent-tokens' \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{\"name\": \"my first agent\"}}'

"
    ))
}

fn start_log(settings: &ServerSettings) {
    let filter = tracing_subscriber::EnvFilter::new(&settings.log);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Waits for the signal by which operators and supervisors stop a server.
async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
