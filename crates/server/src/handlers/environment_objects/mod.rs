//! `/organizations/{organizationId}/environment-objects`
//!
//! The permission of these operations is a coarse gate. The finer one depends on what an object
//! belongs to: `workspace.envObjects.*` or `deployment.envObjects.*`.

mod given;
mod links;
mod view;

use airlock_contract::{
    EnvironmentObjectId, Operation,
    operations::{
        CreateEnvironmentObject, DeleteEnvironmentObject, ExcludeLinkingEnvironmentObject, GetEnvironmentObject,
        ListEnvironmentObjects, UpdateEnvironmentObject,
    },
    permissions::{
        Action, DeploymentEnvObjectsGet, Permission, WorkspaceEnvObjectsGet,
        scope::{self, Scope, Target},
    },
    wire::{
        CreatedEnvironmentObject, EnvironmentObject, EnvironmentObjectScope, EnvironmentObjectsPaginated,
        ListEnvironmentObjectsQuery, Paged,
    },
};
use airlock_core::{
    Error, Result,
    policy::{self, Granted, Place, Reach},
};
use airlock_store::{
    Reading, Writing,
    environment_objects::{self, EnvironmentObject as Record, Listed, NewEnvironmentObject},
    locate::{locate, locate_for_good},
    organizations,
};

use self::{
    links::{Links, Named},
    view::Shown,
};
use crate::adaptor::{Call, Changed, Handlers, Read, Write};

/// What is done with an object.
#[derive(Clone, Copy)]
enum Verb {
    Get,
    Create,
    Update,
    Delete,
}

impl Verb {
    /// The permission that it needs where the object belongs.
    fn action(self, place: &Place) -> Action {
        match (place, self) {
            (Place::Deployment(..), Self::Get) => Action::DeploymentEnvObjectsGet,
            (Place::Deployment(..), Self::Create) => Action::DeploymentEnvObjectsCreate,
            (Place::Deployment(..), Self::Update) => Action::DeploymentEnvObjectsUpdate,
            (Place::Deployment(..), Self::Delete) => Action::DeploymentEnvObjectsDelete,
            (_, Self::Get) => Action::WorkspaceEnvObjectsGet,
            (_, Self::Create) => Action::WorkspaceEnvObjectsCreate,
            (_, Self::Update) => Action::WorkspaceEnvObjectsUpdate,
            (_, Self::Delete) => Action::WorkspaceEnvObjectsDelete,
        }
    }
}

impl Read<ListEnvironmentObjects> for Handlers {
    async fn read(call: &Call<'_, ListEnvironmentObjects>, db: &Reading) -> Result<EnvironmentObjectsPaginated> {
        let query = call.query;
        let secrets = query.show_secrets == Some(true);
        if secrets && !organizations::get(db, call.granted).await?.allow_environment_secrets_fetching {
            return Err(Error::Denied(
                "showSecrets is not allowed in this Organization; an Organization Owner can update it with \
                 allowEnvironmentSecretsFetching"
                    .into(),
            ));
        }
        let listed = listed(call, db).await?;
        let (records, total_count) = environment_objects::list(db, call.granted, &listed, query).await?;
        let resolved_for = match &listed {
            Listed::For(deployment) => Some(deployment.deployment()),
            _ => None,
        };
        let links = match resolved_for {
            Some(deployment) => environment_objects::links_to(db, &records, deployment).await?,
            None => environment_objects::links(db, &records).await?,
        };
        if secrets {
            match (&query.deployment_id, &query.workspace_id) {
                (Some(deployment), _) => call.reads_secrets_of("deployment", deployment),
                (None, Some(workspace)) => call.reads_secrets_of("workspace", workspace),
                (None, None) => call.reads_secrets_of("organization", call.granted.organization()),
            }
        }
        let shown = Shown { secrets, resolved_for };
        Ok(EnvironmentObjectsPaginated {
            environment_objects: view::all(call.app, records, links, shown)?,
            limit: query.limit(),
            offset: query.offset,
            total_count,
        })
    }
}

impl Read<GetEnvironmentObject> for Handlers {
    async fn read(call: &Call<'_, GetEnvironmentObject>, db: &Reading) -> Result<EnvironmentObject> {
        let record = environment_objects::get(db, call.granted, &call.path.environment_object_id).await?;
        demand(call, &record, Verb::Get)?;
        let links = environment_objects::links(db, std::slice::from_ref(&record)).await?;
        view::one(call.app, record, &links, Shown::default())
    }
}

impl Write<CreateEnvironmentObject> for Handlers {
    async fn write(call: &Call<'_, CreateEnvironmentObject>, w: &Writing) -> Result<Changed<CreatedEnvironmentObject>> {
        let (app, body) = (call.app, call.body);
        let fields = given::new_value(body)?;
        let place = place_of_body(call, w).await?;
        let linked = body.links.iter().flatten().map(|link| &link.scope_entity_id);
        let excluded = body.exclude_links.iter().flatten().map(|link| &link.scope_entity_id);
        let named = Named::find(call, w, linked.chain(excluded)).await?;
        if environment_objects::has_key(w, &place, body.object_type, &body.object_key).await? {
            return Err(Error::Conflict(format!(
                "objectKey: the {} has a {} of the key {:?} already",
                body.scope.as_str(),
                body.object_type.as_str(),
                body.object_key
            )));
        }
        let id: EnvironmentObjectId = app.env.new_id();
        let kind = body.object_type;
        let links = Links { app, object: &id, place: &place, kind, fields: &fields, named: &named }.of_new(body)?;
        let object = NewEnvironmentObject {
            id: &id,
            place: &place,
            kind,
            key: &body.object_key,
            description: body.description.as_deref(),
            auto_link: body.auto_link_deployments.unwrap_or_default(),
            value: &fields.seal(&app.keys, &app.env, &Record::seal_of(&id))?,
        };
        environment_objects::insert(w, &object, &call.stamp()).await?;
        environment_objects::replace_links(w, &id, &links).await?;
        Ok(Changed::new(CreatedEnvironmentObject { id: id.clone() }, "environmentObject", &id))
    }
}

impl Write<UpdateEnvironmentObject> for Handlers {
    async fn write(call: &Call<'_, UpdateEnvironmentObject>, w: &Writing) -> Result<Changed<EnvironmentObject>> {
        let (app, body, id) = (call.app, call.body, &call.path.environment_object_id);
        // Nobody locks what they name before it is known that they may.
        demand(call, &environment_objects::get(w, call.granted, id).await?, Verb::Update)?;
        let linked = body.links.iter().flatten().map(|link| &link.scope_entity_id);
        let excluded = body.exclude_links.iter().flatten().map(|link| &link.scope_entity_id);
        let named = Named::find(call, w, linked.chain(excluded)).await?;
        let mut record = environment_objects::get_for_good(w, call.granted, id).await?;
        demand(call, &record, Verb::Update)?;

        let (place, kind) = (record.place(), record.kind);
        let mut fields = given::to_change(&app.keys, body, &record)?;
        if let Some(changes) = given::changes(body, kind, &fields)? {
            fields.lay_over(changes);
            record.value = fields.seal(&app.keys, &app.env, &Record::seal_of(id))?;
        }
        record.description = body.description.clone().or(record.description);
        record.auto_link = body.auto_link_deployments.unwrap_or(record.auto_link);
        let old = environment_objects::links(w, std::slice::from_ref(&record)).await?;
        let links = Links { app, object: id, place: &place, kind, fields: &fields, named: &named };
        let links = links.changed(body, old)?;
        environment_objects::update(w, &record, &call.stamp()).await?;
        environment_objects::replace_links(w, id, &links).await?;

        let changed = environment_objects::get(w, call.granted, id).await?;
        Ok(Changed::new(view::one(app, changed, &links, Shown::default())?, "environmentObject", id))
    }
}

impl Write<DeleteEnvironmentObject> for Handlers {
    async fn write(call: &Call<'_, DeleteEnvironmentObject>, w: &Writing) -> Result<Changed<()>> {
        let record = environment_objects::get_for_good(w, call.granted, &call.path.environment_object_id).await?;
        demand(call, &record, Verb::Delete)?;
        environment_objects::delete(w, &record).await?;
        Ok(Changed::new((), "environmentObject", &record.id))
    }
}

impl Write<ExcludeLinkingEnvironmentObject> for Handlers {
    async fn write(call: &Call<'_, ExcludeLinkingEnvironmentObject>, w: &Writing) -> Result<Changed<()>> {
        let (id, excluded) = (&call.path.environment_object_id, &call.body.scope_entity_id);
        let named = Named::find(call, w, std::iter::once(excluded)).await?;
        let record = environment_objects::get_for_good(w, call.granted, id).await?;
        let deployment = named.of(&record.workspace, excluded);
        // Who may change what the Deployment has of its own may also refuse what all have.
        let action = Action::DeploymentEnvObjectsUpdate;
        if !(record.auto_link && deployment.is_some_and(|place| call.caller.holds(action, place))) {
            demand(call, &record, Verb::Update)?;
        }
        if record.deployment.is_some() {
            return Err(links::only_of_a_workspace());
        }
        if deployment.is_none() {
            return Err(links::unknown("scopeEntityId"));
        }
        links::exclude(w, &record, excluded).await?;
        Ok(Changed::new((), "environmentObject", id))
    }
}

/// A call about the objects of one Organization.
trait AboutObjects: Operation<Permission: Permission<Scope = scope::Organization>> {}
impl<O: Operation<Permission: Permission<Scope = scope::Organization>>> AboutObjects for O {}

/// Demands the permission for what is done with an object, of a caller who may see it.
fn demand<O: AboutObjects>(call: &Call<'_, O>, record: &Record, verb: Verb) -> Result<()> {
    let place = record.place();
    if !call.caller.holds(Verb::Get.action(&place), &place) {
        return Err(Error::Hidden("environment object".into()));
    }
    call.caller.require(verb.action(&place), &place)
}

/// Which objects are asked for.
async fn listed(call: &Call<'_, ListEnvironmentObjects>, db: &Reading) -> Result<Listed> {
    let organization = || call.granted.organization().clone();
    let ListEnvironmentObjectsQuery { workspace_id, deployment_id, resolve_linked, .. } = call.query;
    Ok(match (workspace_id, deployment_id) {
        (Some(_), Some(_)) => {
            return Err(Error::field("constraint", "deploymentId", "is not for a list that workspaceId narrows"));
        }
        (Some(workspace), None) => {
            let target = scope::Workspace { organization_id: organization(), workspace_id: workspace.clone() };
            Listed::OfWorkspace(granted::<WorkspaceEnvObjectsGet>(call, db, &target).await?)
        }
        (None, Some(deployment)) => {
            let target = scope::Deployment { organization_id: organization(), deployment_id: deployment.clone() };
            let deployment = granted::<DeploymentEnvObjectsGet>(call, db, &target).await?;
            if *resolve_linked == Some(true) { Listed::For(deployment) } else { Listed::OfDeployment(deployment) }
        }
        (None, None) => {
            let reach = |action| Reach::of(call.caller, call.granted, action);
            Listed::Within(reach(Action::WorkspaceEnvObjectsGet), reach(Action::DeploymentEnvObjectsGet))
        }
    })
}

/// Asks the policy about the Workspace or Deployment that a list is of.
async fn granted<P: Permission>(
    call: &Call<'_, ListEnvironmentObjects>,
    db: &Reading,
    scope: &P::Scope,
) -> Result<Granted<P::Scope>> {
    let target = scope.target();
    policy::authorize::<P>(call.caller, &target, locate(db, &target).await?)
}

/// What a new object shall belong to. What the caller may not see is not there.
async fn place_of_body(call: &Call<'_, CreateEnvironmentObject>, w: &Writing) -> Result<Place> {
    let (organization, id) = (call.granted.organization().clone(), call.body.scope_entity_id.as_str());
    let target = match call.body.scope {
        EnvironmentObjectScope::Workspace => Target::Workspace(organization, id.into()),
        EnvironmentObjectScope::Deployment => Target::Deployment(organization, id.into()),
    };
    let place = locate_for_good(w, &target).await?.ok_or_else(|| links::unknown("scopeEntityId"))?;
    match call.caller.require(Verb::Create.action(&place), &place) {
        Err(Error::Hidden(_)) => Err(links::unknown("scopeEntityId")),
        result => result.map(|()| place),
    }
}
