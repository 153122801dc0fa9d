//! The first records of an empty server, so that it can be used at once.

use airlock_contract::{
    ApiTokenId, DeploymentId, OrganizationId, Time, WorkspaceId,
    wire::{
        ApiTokenKind, ApiTokenRole, CreateWorkspaceRequest, DeploymentRemoteExecutionRequest, DeploymentSettings,
        EntityType,
    },
};
use airlock_core::{Error, Result, api_token::PlainApiToken, policy::Place};
use airlock_store::{
    Stamp, Writing,
    api_tokens::NewApiToken,
    audit::{Entry, Outcome},
    bootstrap::{Bootstrap, SYSTEM, insert, insert_owner, is_empty_for_good, organizations},
    role_bindings::NewRole,
};

use crate::{App, handlers};

/// What [`bootstrap`] made.
#[derive(Debug)]
pub struct FirstRecords {
    /// The Organization.
    pub organization: OrganizationId,
    /// Its Workspace.
    pub workspace: WorkspaceId,
    /// The Workspace's Deployment, which takes remote agents.
    pub deployment: DeploymentId,
    /// The Organization Owner's token, which is nowhere else.
    pub token: PlainApiToken,
}

/// Makes an Organization, a Workspace, a Deployment and an Owner's token, if there is no
/// Organization yet.
///
/// # Errors
///
/// Those of the database.
pub async fn bootstrap(app: &App) -> Result<Option<FirstRecords>> {
    let w = app.store.write().await?;
    if !is_empty_for_good(&w).await? {
        return Ok(None);
    }
    make(app, w).await.map(Some)
}

/// Makes one more Organization with the same first records.
///
/// # Errors
///
/// Those of the database.
pub async fn add_organization(app: &App) -> Result<FirstRecords> {
    make(app, app.store.write().await?).await
}

async fn make(app: &App, w: Writing) -> Result<FirstRecords> {
    let now = app.env.now();
    let stamp = Stamp { at: now, by: SYSTEM.into() };
    let (organization, workspace, deployment): (OrganizationId, WorkspaceId, DeploymentId) =
        (app.env.new_id(), app.env.new_id(), app.env.new_id());
    let first = Bootstrap {
        organization: (&organization, "Airlock"),
        workspace: (&workspace, &first_workspace()),
        deployment: (&deployment, &first_deployment(app, &workspace)),
        stamp: &stamp,
    };
    insert(&w, &first).await?;
    let about = ("First owner", "Made with the database. Replace it by tokens that may do less.");
    let (_, token) = make_owner(app, &w, &organization, about, &stamp).await?;
    let about = ("organization", organization.to_string());
    w.commit(&entry(app, "Bootstrap", &organization, about, now)).await?;
    Ok(FirstRecords { organization, workspace, deployment, token })
}

/// Makes one more Owner's token for an Organization, when none is left that could. Whoever calls
/// this has the database and the master key, and with them everything.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such Organization, or more than one and none is named.
pub async fn new_owner(app: &App, organization: Option<&OrganizationId>) -> Result<PlainApiToken> {
    let w = app.store.write().await?;
    let organization = one_of_all(&w, organization).await?;
    let now = app.env.now();
    let stamp = Stamp { at: now, by: SYSTEM.into() };
    let about = ("Recovered owner", "Made on the command line. Replace it by tokens that may do less.");
    let (id, token) = make_owner(app, &w, &organization, about, &stamp).await?;
    w.commit(&entry(app, "NewOwner", &organization, ("apiToken", id.to_string()), now)).await?;
    Ok(token)
}

/// The Organization that is meant on the command line.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such Organization, or more than one and none is named.
pub(crate) async fn one_of_all(w: &Writing, named: Option<&OrganizationId>) -> Result<OrganizationId> {
    let known = organizations(w).await?;
    match (named, known.as_slice()) {
        (None, [(only, _)]) => Ok(only.clone()),
        (Some(id), _) if known.iter().any(|(known, _)| known == id) => Ok(id.clone()),
        (_, []) => Err(Error::refused("there is no Organization yet; the first start makes one")),
        (_, known) => {
            let known: Vec<String> = known.iter().map(|(id, name)| format!("{id} ({name})")).collect();
            Err(Error::refused(format!("name one of the Organizations: {}", known.join(", "))))
        }
    }
}

/// Makes a token that may do everything in an Organization, with a name and a description.
async fn make_owner(
    app: &App,
    w: &Writing,
    organization: &OrganizationId,
    (name, description): (&str, &str),
    stamp: &Stamp,
) -> Result<(ApiTokenId, PlainApiToken)> {
    let id: ApiTokenId = app.env.new_id();
    let place = Place::Organization(organization.clone());
    let token = handlers::api_tokens::sign(app, &id, &place, stamp.at, None)?;
    let role = ApiTokenRole {
        role: "ORGANIZATION_OWNER".into(),
        entity_type: EntityType::Organization,
        entity_id: organization.to_string(),
        deployment_id: None,
    };
    let new = NewApiToken {
        id: &id,
        name,
        description,
        kind: ApiTokenKind::Standard,
        place: &place,
        hash: token.hash(),
        short_token: &token.short(),
        end_at: None,
        expiry_days: None,
        roles: &[NewRole { role: &role, fixed: None }],
    };
    insert_owner(w, organization, &new, stamp).await?;
    Ok((id, token))
}

fn first_workspace() -> CreateWorkspaceRequest {
    CreateWorkspaceRequest { name: "First workspace".into(), ..CreateWorkspaceRequest::default() }
}

fn first_deployment(app: &App, workspace: &WorkspaceId) -> DeploymentSettings {
    let settings = DeploymentSettings {
        name: "First deployment".into(),
        workspace_id: workspace.clone(),
        remote_execution: Some(DeploymentRemoteExecutionRequest { enabled: true, ..Default::default() }),
        is_dag_deploy_enabled: Some(true),
        ..DeploymentSettings::default()
    };
    handlers::deployments::with_defaults(&app.settings.catalogue, settings)
}

/// The audit record of what the server's administrator does on the command line.
pub(crate) fn entry(
    app: &App,
    operation: &str,
    organization: &OrganizationId,
    (entity_type, entity_id): (&str, String),
    now: Time,
) -> Entry {
    Entry {
        outcome: Outcome::Changed,
        organization: Some(organization.clone()),
        subject_id: Some(SYSTEM.into()),
        subject_name: Some("Airlock".into()),
        entity_type: Some(entity_type.into()),
        entity_id: Some(entity_id),
        status: 200,
        ..Entry::new(&app.env, now, operation)
    }
}
