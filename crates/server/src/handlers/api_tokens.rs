//! `/organizations/{organizationId}/tokens`
//!
//! The permission of these operations is a coarse gate. The finer one depends on what a token
//! belongs to: `organization.apiTokens.*`, `workspace.apiTokens.*` or `deployment.apiTokens.*`.

use airlock_contract::{
    ApiTokenId, RoleHolderId, Time,
    operations::{
        CreateApiToken, DeleteApiToken, GetApiToken, ListApiTokens, RotateApiToken, UpdateApiToken, UpdateApiTokenRoles,
    },
    permissions::{Action, scope},
    wire::{ApiToken, ApiTokenKind, ApiTokenRole, ApiTokenScope, ApiTokensPaginated, EntityType, SubjectRoles},
};
use airlock_core::{
    Error, Result,
    api_token::{Claims, PlainApiToken, end},
    policy::{Caller, Permissions, Place, Reach},
};
use airlock_store::{
    Reading, Reads, Writing,
    api_tokens::{self, ApiToken as Record, NewApiToken, Visible},
    locate::{locate, locate_for_good},
    role_bindings::{self, NewRole, RoleBinding, RoleHolder, is_on_dags},
};

use crate::{
    App,
    adaptor::{Call, Changed, Handlers, Read, Write},
    handlers::{
        role_bindings::{
            Assigned, OfOrganization, RoleFields, assign, by_level, of_one, on, refuse_more_than_own, unknown,
            unknown_if_hidden,
        },
        roles,
    },
};

/// What is done with a token.
#[derive(Clone, Copy)]
enum Verb {
    Get,
    Create,
    Update,
    Delete,
    Rotate,
}

impl Verb {
    /// The permission that it needs where the token belongs.
    fn action(self, place: &Place) -> Action {
        match (place, self) {
            (Place::Workspace(..), Self::Get) => Action::WorkspaceApiTokensGet,
            (Place::Workspace(..), Self::Create) => Action::WorkspaceApiTokensCreate,
            (Place::Workspace(..), Self::Update) => Action::WorkspaceApiTokensUpdate,
            (Place::Workspace(..), Self::Delete) => Action::WorkspaceApiTokensDelete,
            (Place::Workspace(..), Self::Rotate) => Action::WorkspaceApiTokensRotate,
            (Place::Deployment(..), Self::Get) => Action::DeploymentApiTokensGet,
            (Place::Deployment(..), Self::Create) => Action::DeploymentApiTokensCreate,
            (Place::Deployment(..), Self::Update) => Action::DeploymentApiTokensUpdate,
            (Place::Deployment(..), Self::Delete) => Action::DeploymentApiTokensDelete,
            (Place::Deployment(..), Self::Rotate) => Action::DeploymentApiTokensRotate,
            (_, Self::Get) => Action::OrganizationApiTokensGet,
            (_, Self::Create) => Action::OrganizationApiTokensCreate,
            (_, Self::Update) => Action::OrganizationApiTokensUpdate,
            (_, Self::Delete) => Action::OrganizationApiTokensDelete,
            (_, Self::Rotate) => Action::OrganizationApiTokensRotate,
        }
    }
}

impl Read<ListApiTokens> for Handlers {
    async fn read(call: &Call<'_, ListApiTokens>, db: &Reading) -> Result<ApiTokensPaginated> {
        let reach = |action| Reach::of(call.caller, call.granted, action);
        let visible = Visible {
            organization: call.caller.holds(Action::OrganizationApiTokensGet, call.granted.place()),
            workspaces: reach(Action::WorkspaceApiTokensGet),
            deployments: reach(Action::DeploymentApiTokensGet),
        };
        let (records, total_count) = api_tokens::list(db, &visible, call.query).await?;
        Ok(ApiTokensPaginated {
            tokens: views(db, records).await?,
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetApiToken> for Handlers {
    async fn read(call: &Call<'_, GetApiToken>, db: &Reading) -> Result<ApiToken> {
        let record = find(call, db, &call.path.token_id, Verb::Get).await?;
        view(db, record).await
    }
}

impl Write<CreateApiToken> for Handlers {
    async fn write(call: &Call<'_, CreateApiToken>, w: &Writing) -> Result<Changed<ApiToken>> {
        roles::lock(w, call.granted).await?;
        let body = call.body;
        let kind = body.kind.unwrap_or(ApiTokenKind::Standard);
        if kind == ApiTokenKind::DirectAccess && body.scope != ApiTokenScope::Deployment {
            return Err(Error::field("constraint", "kind", "DIRECT_ACCESS needs the scope DEPLOYMENT"));
        }
        let place = place_of_body(call, w).await?;
        call.caller
            .require(Verb::Create.action(&place), &place)
            .map_err(|error| unknown_if_hidden(error, "entityId"))?;

        let role = own_role(&body.role, &place);
        let assigned = assign(call, w, &role, &RoleFields::of_body(), false).await?;
        refuse_more_than_own(call.caller, &role, &assigned.permits, &assigned.place)?;

        let id: ApiTokenId = call.app.env.new_id();
        let end_at = end(call.now, body.token_expiry_period_in_days);
        let plain = sign(call.app, &id, &place, call.now, end_at)?;
        let fixed = (kind == ApiTokenKind::DirectAccess).then_some(&assigned.permits);
        let token = NewApiToken {
            id: &id,
            name: &body.name,
            description: body.description.as_deref().unwrap_or_default(),
            kind,
            place: &place,
            hash: plain.hash(),
            short_token: &plain.short(),
            end_at,
            expiry_days: body.token_expiry_period_in_days,
            roles: &[NewRole { role: &role, fixed }],
        };
        api_tokens::insert(w, call.granted, &token, &call.stamp()).await?;
        let made = view(w, api_tokens::get(w, call.granted, &id).await?).await?;
        Ok(Changed::new(ApiToken { token: Some(plain.expose().to_owned()), ..made }, "apiToken", &id))
    }
}

impl Write<UpdateApiToken> for Handlers {
    async fn write(call: &Call<'_, UpdateApiToken>, w: &Writing) -> Result<Changed<ApiToken>> {
        let record = find(call, w, &call.path.token_id, Verb::Update).await?;
        let description = call.body.description.as_deref().unwrap_or_default();
        api_tokens::update(w, &record, &call.body.name, description, &call.stamp()).await?;
        let changed = view(w, api_tokens::get(w, call.granted, &record.id).await?).await?;
        Ok(Changed::new(changed, "apiToken", &record.id))
    }
}

impl Write<DeleteApiToken> for Handlers {
    async fn write(call: &Call<'_, DeleteApiToken>, w: &Writing) -> Result<Changed<()>> {
        let record = find(call, w, &call.path.token_id, Verb::Delete).await?;
        api_tokens::delete(w, &record, &call.stamp()).await?;
        Ok(Changed::new((), "apiToken", &record.id))
    }
}

impl Write<UpdateApiTokenRoles> for Handlers {
    async fn write(call: &Call<'_, UpdateApiTokenRoles>, w: &Writing) -> Result<Changed<SubjectRoles>> {
        roles::lock(w, call.granted).await?;
        let record = find(call, w, &call.path.token_id, Verb::Update).await?;
        check_shape(&record, &call.body.roles)?;
        let roles = without_repetition(&call.body.roles)?;
        let old = of_one(w, &record).await?;
        let mut new = Vec::with_capacity(roles.len());
        for (at, role) in roles.iter().enumerate() {
            let kept = old.iter().find(|row| ApiTokenRole::from((*row).clone()) == *role);
            let assigned = assign(call, w, role, &RoleFields::within(&format!("roles[{at}]")), kept.is_some()).await?;
            if kept.is_none() {
                // What a token may do somewhere is a matter of those who manage tokens there.
                if assigned.place != record.place()? {
                    call.caller.require(Verb::Create.action(&assigned.place), &assigned.place)?;
                }
                refuse_more_than_own(call.caller, role, &assigned.permits, &assigned.place)?;
            }
            let fixed = (record.kind == ApiTokenKind::DirectAccess).then(|| fixed_permissions(kept, &assigned));
            new.push((role, fixed));
        }
        let rows: Vec<NewRole<'_>> = new.iter().map(|(role, fixed)| NewRole { role, fixed: fixed.as_ref() }).collect();
        api_tokens::replace_roles(w, call.granted, &record, &rows, &call.stamp()).await?;
        Ok(Changed::new(by_level(roles.iter().cloned()), "apiToken", &record.id))
    }
}

impl Write<RotateApiToken> for Handlers {
    async fn write(call: &Call<'_, RotateApiToken>, w: &Writing) -> Result<Changed<ApiToken>> {
        let record = find(call, w, &call.path.token_id, Verb::Rotate).await?;
        // Whoever rotates gets the value, so may not get more with it than they have.
        for row in of_one(w, &record).await? {
            let fixed = row.fixed_permissions();
            let role = ApiTokenRole::from(row);
            let (target, assignable) = on(call.granted.organization(), &role, &RoleFields::within("roles"))?;
            let Some(place) = locate(w, &target).await? else { continue };
            let permits = match fixed {
                Some(fixed) => Some(fixed),
                None => roles::resolve(w, call.granted, &role.role, assignable, &place).await?,
            };
            // A role whose thing is gone, or that cannot be used there any more, permits nothing.
            let Some(permits) = permits else { continue };
            refuse_more_than_own(call.caller, &role, &permits, &place)?;
        }
        let end_at = end(call.now, record.expiry_days);
        let plain = sign(call.app, &record.id, &record.place()?, call.now, end_at)?;
        api_tokens::rotate(w, &record, &plain.hash(), &plain.short(), end_at, &call.stamp()).await?;
        let changed = view(w, api_tokens::get(w, call.granted, &record.id).await?).await?;
        Ok(Changed::new(ApiToken { token: Some(plain.expose().to_owned()), ..changed }, "apiToken", &record.id))
    }
}

/// Signs a new value for a token.
pub(crate) fn sign(
    app: &App,
    id: &ApiTokenId,
    place: &Place,
    start: Time,
    end_at: Option<Time>,
) -> Result<PlainApiToken> {
    let permissions = match place {
        Place::Installation => Vec::new(),
        Place::Organization(organization) => vec![format!("organizationId:{organization}")],
        Place::Workspace(organization, workspace) => {
            vec![format!("organizationId:{organization}"), format!("workspaceId:{workspace}")]
        }
        Place::Deployment(organization, workspace, deployment) => vec![
            format!("organizationId:{organization}"),
            format!("workspaceId:{workspace}"),
            format!("deploymentId:{deployment}"),
        ],
    };
    let claims = Claims {
        iss: app.settings.public_url.clone(),
        sub: id.to_string(),
        aud: app.settings.public_url.clone(),
        iat: start.as_seconds(),
        exp: end_at.map(Time::as_seconds),
        jti: format!("{:032x}", u128::from_be_bytes(app.env.random())),
        api_token_id: id.to_string(),
        permissions,
    };
    PlainApiToken::sign(&app.keys, &claims)
}

/// Demands that the caller may see a token.
///
/// # Errors
///
/// [`Error::Hidden`]; [`Error::NotFound`] when what the token belongs to is gone.
pub(crate) fn demand_sight_of(caller: &Caller, record: &Record) -> Result<()> {
    let place = record.place()?;
    if caller.holds(Verb::Get.action(&place), &place) { Ok(()) } else { Err(Error::Hidden("API token".into())) }
}

/// Finds a token that the caller may see, and demands the permission for what is done with it.
async fn find<O: OfOrganization>(call: &Call<'_, O>, db: &impl Reads, id: &ApiTokenId, verb: Verb) -> Result<Record> {
    let record = api_tokens::get(db, call.granted, id).await?;
    demand_sight_of(call.caller, &record)?;
    let place = record.place()?;
    let action = verb.action(&place);
    if call.caller.holds(action, &place) { Ok(record) } else { Err(call.caller.denied(action, &place)) }
}

/// What a new token shall belong to.
async fn place_of_body(call: &Call<'_, CreateApiToken>, w: &Writing) -> Result<Place> {
    let organization = call.granted.organization().clone();
    let named = call.body.entity_id.as_deref().filter(|id| !id.is_empty());
    let needed =
        || Error::field("required", "entityId", format!("is required for the scope {}", call.body.scope.as_str()));
    let target = match call.body.scope {
        ApiTokenScope::Organization if named.is_none_or(|id| id == organization.as_str()) => {
            return Ok(Place::Organization(organization));
        }
        ApiTokenScope::Organization => {
            return Err(Error::field("constraint", "entityId", "must be the Organization of the path, or absent"));
        }
        ApiTokenScope::Workspace => scope::Target::Workspace(organization, named.ok_or_else(needed)?.into()),
        ApiTokenScope::Deployment => scope::Target::Deployment(organization, named.ok_or_else(needed)?.into()),
    };
    locate_for_good(w, &target).await?.ok_or_else(|| unknown("entityId"))
}

/// The role that a token has where it belongs.
fn own_role(role: &str, place: &Place) -> ApiTokenRole {
    let (entity_type, entity_id) = match place {
        Place::Installation => (EntityType::Organization, String::new()),
        Place::Organization(id) => (EntityType::Organization, id.to_string()),
        Place::Workspace(_, id) => (EntityType::Workspace, id.to_string()),
        Place::Deployment(_, _, id) => (EntityType::Deployment, id.to_string()),
    };
    ApiTokenRole { role: role.to_owned(), entity_type, entity_id, deployment_id: None }
}

/// What a role of a DIRECT_ACCESS token permits for good: what it did when it was given.
fn fixed_permissions(kept: Option<&RoleBinding>, assigned: &Assigned) -> Permissions {
    kept.and_then(RoleBinding::fixed_permissions).unwrap_or(assigned.permits)
}

/// Which roles a token of a scope can have, and that it has exactly one where it belongs.
fn check_shape(record: &Record, roles: &[ApiTokenRole]) -> Result<()> {
    let own = own_role("", &record.place()?);
    let allowed: &[EntityType] = match record.scope {
        ApiTokenScope::Organization => &[
            EntityType::Organization,
            EntityType::Workspace,
            EntityType::Deployment,
            EntityType::Dag,
            EntityType::DagTag,
        ],
        ApiTokenScope::Workspace => {
            &[EntityType::Workspace, EntityType::Deployment, EntityType::Dag, EntityType::DagTag]
        }
        ApiTokenScope::Deployment => &[EntityType::Deployment, EntityType::Dag, EntityType::DagTag],
    };
    if let Some(at) = roles.iter().position(|role| !allowed.contains(&role.entity_type)) {
        return Err(Error::field(
            "constraint",
            format!("roles[{at}].entityType"),
            format!("a token of the scope {} cannot have such a role", record.scope.as_str()),
        ));
    }
    let owns = |role: &&ApiTokenRole| role.entity_type == own.entity_type && role.entity_id == own.entity_id;
    if roles.iter().filter(owns).count() != 1 {
        return Err(Error::field(
            "constraint",
            "roles",
            format!("exactly one role must be on the token's own {} {}", own.entity_type.as_str(), own.entity_id),
        ));
    }
    Ok(())
}

/// The roles as they are kept: one on a Deployment may name that once more as the Deployment that it is
/// within, and needs not.
///
/// # Errors
///
/// [`Error::Invalid`] when a role that is on no Dag names another Deployment: it would have two.
fn without_repetition(roles: &[ApiTokenRole]) -> Result<Vec<ApiTokenRole>> {
    let kept = roles.iter().enumerate().map(|(at, role)| match &role.deployment_id {
        Some(deployment) if !is_on_dags(role.entity_type) => {
            if role.entity_type == EntityType::Deployment && role.entity_id == deployment.as_str() {
                return Ok(ApiTokenRole { deployment_id: None, ..role.clone() });
            }
            let why = "is for a role on a Dag or a Dag tag only";
            Err(Error::field("constraint", format!("roles[{at}].deploymentId"), why))
        }
        _ => Ok(role.clone()),
    });
    kept.collect()
}

async fn view(db: &impl Reads, record: Record) -> Result<ApiToken> {
    let mut views = views(db, vec![record]).await?;
    views.pop().ok_or_else(|| Error::internal("one token in, none out"))
}

async fn views(db: &impl Reads, records: Vec<Record>) -> Result<Vec<ApiToken>> {
    let rows = role_bindings::of(db, &records).await?;
    let roles_of = |id: &RoleHolderId| rows.iter().filter(|row| row.holder == *id).cloned().map(Into::into).collect();
    Ok(records
        .into_iter()
        .map(|record| ApiToken {
            roles: Some(roles_of(&record.holder_id())),
            id: record.id.to_string(),
            name: record.name,
            description: record.description,
            kind: record.kind,
            scope: record.scope,
            short_token: record.short_token,
            token: None,
            start_at: record.start_at,
            end_at: record.end_at,
            expiry_period_in_days: record.expiry_days,
            last_used_at: record.last_used_at,
            last_rotated_at: record.last_rotated_at,
            created_at: record.authorship.created_at,
            created_by: Some(record.authorship.created_by),
            updated_at: record.authorship.updated_at,
            updated_by: Some(record.authorship.updated_by),
            agent_name: None,
            queues: None,
            connections: None,
            variables: None,
            public_key: None,
        })
        .collect())
}
