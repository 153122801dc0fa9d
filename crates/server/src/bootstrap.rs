//! The first records of an empty server, so that it can be used at once.

use airlock_contract::{
    ApiTokenId, DeploymentId, OrganizationId, Time, WorkspaceId,
    wire::{
        ApiTokenKind, ApiTokenRole, CreateWorkspaceRequest, DeploymentRemoteExecutionRequest, DeploymentSettings,
        EntityType,
    },
};
use airlock_core::{Result, api_token::PlainApiToken, policy::Place};
use airlock_store::{
    Stamp, Writing,
    api_tokens::{NewApiToken, NewRole},
    audit::{Entry, Outcome},
    bootstrap::{Bootstrap, SYSTEM, insert, is_empty_for_good},
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
    let (organization, workspace, deployment, id): (OrganizationId, WorkspaceId, DeploymentId, ApiTokenId) =
        (app.env.new_id(), app.env.new_id(), app.env.new_id(), app.env.new_id());
    let place = Place::Organization(organization.clone());
    let token = handlers::api_tokens::sign(app, &id, &place, now, None)?;
    let role = ApiTokenRole {
        role: "ORGANIZATION_OWNER".into(),
        entity_type: EntityType::Organization,
        entity_id: organization.to_string(),
        deployment_id: None,
    };
    let first = Bootstrap {
        organization: (&organization, "Airlock"),
        workspace: (&workspace, &first_workspace()),
        deployment: (&deployment, &first_deployment(&workspace)),
        token: &NewApiToken {
            id: &id,
            name: "First owner",
            description: "Made with the database. Replace it by tokens that may do less.",
            kind: ApiTokenKind::Standard,
            place: &place,
            hash: token.hash(),
            short_token: &token.short(),
            end_at: None,
            expiry_days: None,
            roles: &[NewRole { role: &role, fixed: None }],
        },
        stamp: &stamp,
    };
    insert(&w, &first).await?;
    w.commit(&entry(app, &organization, now)).await?;
    Ok(FirstRecords { organization, workspace, deployment, token })
}

fn first_workspace() -> CreateWorkspaceRequest {
    CreateWorkspaceRequest { name: "First workspace".into(), ..CreateWorkspaceRequest::default() }
}

fn first_deployment(workspace: &WorkspaceId) -> DeploymentSettings {
    handlers::deployments::with_defaults(DeploymentSettings {
        name: "First deployment".into(),
        workspace_id: workspace.clone(),
        remote_execution: Some(DeploymentRemoteExecutionRequest { enabled: true, ..Default::default() }),
        ..DeploymentSettings::default()
    })
}

fn entry(app: &App, organization: &OrganizationId, now: Time) -> Entry {
    Entry {
        outcome: Outcome::Changed,
        organization: Some(organization.clone()),
        subject_id: Some(SYSTEM.into()),
        subject_name: Some("Airlock".into()),
        entity_type: Some("organization".into()),
        entity_id: Some(organization.to_string()),
        status: 200,
        ..Entry::new(&app.env, now, "Bootstrap")
    }
}
