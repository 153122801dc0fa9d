//! `airlock doctor`: what is wrong, in plain words.

use airlock_contract::{operations::CheckAirflow, path::InDeployment, wire::NoQuery};
use airlock_store::bootstrap;
use anyhow::bail;
use clap::Args;

use super::{airflow_check, connection::Connection};
use crate::{local, output, settings::ServerSettings};

/// What to look at.
#[derive(Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    settings: ServerSettings,

    /// Look at this Deployment's Airflow instead, through a server that runs.
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,

    #[command(flatten)]
    connection: Connection,
}

/// Looks at what is asked for; a line each.
pub(crate) async fn doctor(what: &Doctor) -> anyhow::Result<()> {
    match &what.deployment {
        Some(deployment) => look_at_airflow(&what.connection, deployment).await,
        None => look_at_server(&what.settings).await,
    }
}

/// Has the server look at a Deployment's Airflow.
async fn look_at_airflow(connection: &Connection, deployment: &str) -> anyhow::Result<()> {
    let client = connection.client()?;
    let organization_id = connection.organization(&client).await?;
    let path = InDeployment { organization_id, deployment_id: deployment.into() };
    let check = client.call::<CheckAirflow>(&path, &NoQuery {}, &()).await?;
    if connection.json {
        output::json(&check)?
    } else {
        airflow_check::print(&check)?
    }
    match airflow_check::faults(&check) {
        0 => Ok(()),
        faults => bail!("{faults} of {} checks found something wrong", check.findings.len()),
    }
}

/// Checks the key, the database and the address.
async fn look_at_server(settings: &ServerSettings) -> anyhow::Result<()> {
    let mut faults = 0;
    let mut report = |what: &str, finding: Result<String, String>| {
        faults += u32::from(finding.is_err());
        let (mark, text) = match finding {
            Ok(text) => ("ok    ", text),
            Err(text) => ("WRONG ", text),
        };
        output::text(&format!("{mark} {what}: {text}\n"))
    };
    report("master key", master_key(settings))?;
    report("database", database(settings).await)?;
    report("address", address(settings).await)?;
    if faults > 0 {
        bail!("{faults} of 3 checks found something wrong");
    }
    Ok(())
}

fn master_key(settings: &ServerSettings) -> Result<String, String> {
    if settings.master_key.is_some() {
        return Ok("given by the settings".into());
    }
    let file = settings.key_file();
    let keys = local::read_keys(&file).map_err(|error| format!("{error:#}"))?;
    match local::is_open_to_others(&file) {
        Ok(false) => Ok(format!("{} is good; new tokens are made with {}", file.display(), keys.current_id())),
        Ok(true) => Err(format!("others can read {}; run: chmod 600 {}", file.display(), file.display())),
        Err(cause) => Err(cause.to_string()),
    }
}

async fn database(settings: &ServerSettings) -> Result<String, String> {
    // Looking must not make anything.
    if let airlock_store::Location::Sqlite(file) = settings.location()
        && !file.exists()
    {
        return Err(format!("{} is not there; run: airlock init", file.display()));
    }
    let store = match local::open_store(settings).await {
        Ok(store) => store,
        Err(error) if format!("{error}").contains("in use by another Airlock process") => {
            return Ok("a running Airlock has it open".into());
        }
        Err(error) => return Err(format!("{error:#}")),
    };
    let reading = store.read().await.map_err(|error| error.to_string())?;
    match bootstrap::is_empty(&reading).await {
        Ok(false) => Ok(format!("{} answers, and its schema is up to date", store.kind())),
        Ok(true) => Err("there is no Organization in it; run: airlock init".into()),
        Err(error) => Err(error.to_string()),
    }
}

async fn address(settings: &ServerSettings) -> Result<String, String> {
    let address = settings.listen;
    match tokio::net::TcpStream::connect(address).await {
        Ok(_) => Ok(format!("something answers at {address}")),
        Err(cause) => match tokio::net::TcpListener::bind(address).await {
            Ok(_) => Ok(format!("{address} is free; no server runs there now")),
            Err(_) => Err(format!("{address} neither answers ({cause}) nor can be listened on")),
        },
    }
}
