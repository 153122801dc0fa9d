//! The Deployments that have an object of their Workspace, and those that are kept from having it.

use std::collections::HashSet;

use airlock_contract::{
    DeploymentId, EnvironmentObjectId, WorkspaceId,
    permissions::scope::Target,
    wire::{
        CreateEnvironmentObjectRequest, EnvironmentObjectExcludeLink, EnvironmentObjectType as Type,
        UpdateEnvironmentObjectRequest,
    },
};
use airlock_core::{
    Error, Result,
    environment::{Fields, MOST_BYTES_OF_LINKS},
    policy::Place,
};
use airlock_store::{
    Writing,
    environment_objects::{self, EnvironmentObject as Record, Link},
    locate::locate_for_good,
};

use super::{
    AboutObjects,
    given::{Given, drop_unseen, fields, given, gives_value, pick},
};
use crate::{App, adaptor::Call};

/// The Deployments that a request names, as far as they are there. They stay until the change is
/// committed or dropped. They are found before the object is locked, for whoever deletes a
/// Deployment locks them in that order.
pub(super) struct Named(Vec<Place>);

impl Named {
    pub(super) async fn find<'a, O: AboutObjects>(
        call: &Call<'_, O>,
        w: &Writing,
        ids: impl Iterator<Item = &'a DeploymentId>,
    ) -> Result<Self> {
        let mut ids: Vec<&DeploymentId> = ids.collect();
        ids.sort();
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let target = Target::Deployment(call.granted.organization().clone(), id.clone());
            found.extend(locate_for_good(w, &target).await?);
        }
        Ok(Self(found))
    }

    /// A Deployment, if it is one of the Workspace.
    pub(super) fn of(&self, workspace: &WorkspaceId, id: &DeploymentId) -> Option<&Place> {
        self.0.iter().find(|place| matches!(place, Place::Deployment(_, of, it) if of == workspace && it == id))
    }
}

/// All links of an object that is made or changed.
pub(super) struct Links<'a> {
    pub(super) app: &'a App,
    pub(super) object: &'a EnvironmentObjectId,
    pub(super) place: &'a Place,
    pub(super) kind: Type,
    /// What the object itself holds.
    pub(super) fields: &'a Fields,
    pub(super) named: &'a Named,
}

/// A link that is asked for.
struct Asked<'a> {
    deployment: &'a DeploymentId,
    /// What is given to be different.
    overrides: Given,
    /// What is not to be different any more.
    unset: &'a [String],
}

impl Links<'_> {
    /// Those that a new object is asked to have.
    pub(super) fn of_new(&self, body: &CreateEnvironmentObjectRequest) -> Result<Vec<Link>> {
        let asked = body.links.as_deref().unwrap_or_default().iter().map(|link| {
            let overrides = link.overrides.clone().unwrap_or_default();
            Ok(Asked { deployment: &link.scope_entity_id, overrides: given!(overrides), unset: &[] })
        });
        let asked = asked.collect::<Result<Vec<_>>>()?;
        self.merge(Vec::new(), Some(asked), body.exclude_links.as_deref(), body.auto_link_deployments)
    }

    /// Those that it shall have after an update.
    pub(super) fn changed(&self, body: &UpdateEnvironmentObjectRequest, old: Vec<Link>) -> Result<Vec<Link>> {
        let asked = body.links.iter().flatten().map(|link| {
            let overrides = link.overrides.clone().unwrap_or_default();
            let unset = link.overrides.as_ref().and_then(|overrides| overrides.unset_fields.as_deref());
            Ok(Asked {
                deployment: &link.scope_entity_id,
                overrides: given!(overrides),
                unset: unset.unwrap_or_default(),
            })
        });
        let asked = asked.collect::<Result<Vec<_>>>()?;
        let asked = body.links.is_some().then_some(asked);
        self.merge(old, asked, body.exclude_links.as_deref(), body.auto_link_deployments)
    }

    fn merge(
        &self,
        old: Vec<Link>,
        asked: Option<Vec<Asked<'_>>>,
        excluded: Option<&[EnvironmentObjectExcludeLink]>,
        auto_link: Option<bool>,
    ) -> Result<Vec<Link>> {
        let wants_links = auto_link == Some(true)
            || asked.as_ref().is_some_and(|asked| !asked.is_empty())
            || excluded.is_some_and(|excluded| !excluded.is_empty());
        let Place::Workspace(_, workspace) = self.place else {
            return if wants_links { Err(only_of_a_workspace()) } else { Ok(Vec::new()) };
        };
        let (old_excluded, old_linked): (Vec<_>, Vec<_>) = old.into_iter().partition(|link| link.is_excluded);
        let mut links = match asked {
            None => old_linked,
            Some(asked) => asked
                .into_iter()
                .enumerate()
                .map(|(at, asked)| {
                    self.demand_known(workspace, asked.deployment, || format!("links[{at}].scopeEntityId"))?;
                    self.link(at, asked, &old_linked)
                })
                .collect::<Result<Vec<_>>>()
                .and_then(refuse_too_much)?,
        };
        match excluded {
            None => links.extend(old_excluded),
            Some(excluded) => {
                for (at, one) in excluded.iter().enumerate() {
                    let deployment = &one.scope_entity_id;
                    self.demand_known(workspace, deployment, || format!("excludeLinks[{at}].scopeEntityId"))?;
                    links.push(self.exclusion(deployment));
                }
            }
        }
        refuse_twice(&links)?;
        Ok(links)
    }

    fn demand_known(&self, workspace: &WorkspaceId, id: &DeploymentId, field: impl Fn() -> String) -> Result<()> {
        self.named.of(workspace, id).map(drop).ok_or_else(|| unknown(&field()))
    }

    /// A link with what is different by it: what was, changed by what is asked for.
    fn link(&self, at: usize, asked: Asked<'_>, old: &[Link]) -> Result<Link> {
        let was = old.iter().find(|link| link.deployment == *asked.deployment);
        let place = Link::seal_of(self.object, asked.deployment);
        let keys = &self.app.keys;
        let given = pick(self.kind, &format!("links[{at}].overrides."), asked.overrides)?;
        // A variable whose master key is gone can be given another value nevertheless.
        let is_replaced = given.as_ref().is_some_and(gives_value);
        let was = was.and_then(|link| link.overrides.as_ref());
        let was = was.filter(|sealed| !is_replaced || keys.has(&sealed.key_id));
        let was = was.map(|sealed| Fields::open(keys, &place, sealed));
        let mut different = was.transpose()?.unwrap_or_default();
        match given {
            None => {}
            Some(given) if given.is_empty() => different = Fields::default(),
            Some(mut given) => {
                drop_unseen(self.fields, &mut given);
                different.lay_over(given);
            }
        }
        for name in asked.unset {
            different.remove(name);
        }
        let overrides = if different.is_empty() { None } else { Some(different.seal(keys, &self.app.env, &place)?) };
        Ok(Link { object: self.object.clone(), deployment: asked.deployment.clone(), is_excluded: false, overrides })
    }

    fn exclusion(&self, deployment: &DeploymentId) -> Link {
        exclusion(self.object, deployment)
    }
}

fn exclusion(object: &EnvironmentObjectId, deployment: &DeploymentId) -> Link {
    Link { object: object.clone(), deployment: deployment.clone(), is_excluded: true, overrides: None }
}

/// Keeps a Deployment from having an object. Doing it again changes nothing.
///
/// # Errors
///
/// [`Error::Conflict`] when it is linked.
pub(super) async fn exclude(w: &Writing, record: &Record, deployment: &DeploymentId) -> Result<()> {
    let mut links = environment_objects::links(w, std::slice::from_ref(record)).await?;
    match links.iter().find(|link| link.deployment == *deployment) {
        Some(link) if link.is_excluded => Ok(()),
        Some(_) => Err(Error::Conflict(
            "the object is linked to the Deployment; update the object without that link first".into(),
        )),
        None => {
            links.push(exclusion(&record.id, deployment));
            environment_objects::replace_links(w, &record.id, &links).await
        }
    }
}

/// Bounds what the links have instead, all of them together.
fn refuse_too_much(links: Vec<Link>) -> Result<Vec<Link>> {
    let bytes: usize = links.iter().filter_map(|link| link.overrides.as_ref()).map(|sealed| sealed.bytes.len()).sum();
    if bytes > MOST_BYTES_OF_LINKS {
        let message = format!("the overrides of all links together are more than {MOST_BYTES_OF_LINKS} bytes");
        return Err(Error::field("constraint", "links", message));
    }
    Ok(links)
}

fn refuse_twice(links: &[Link]) -> Result<()> {
    let mut seen = HashSet::new();
    match links.iter().find(|link| !seen.insert(&link.deployment)) {
        None => Ok(()),
        Some(link) => {
            let field = if link.is_excluded { "excludeLinks" } else { "links" };
            let message = format!("the Deployment {} is linked or excluded twice", link.deployment);
            Err(Error::field("conflict", field, message))
        }
    }
}

pub(super) fn only_of_a_workspace() -> Error {
    Error::refused("an object of one Deployment is linked to no other; links are for objects of a Workspace")
}

/// What the body names, but is not there.
pub(super) fn unknown(field: &str) -> Error {
    Error::field("unknown", field, "there is no such thing in this Organization, or in the object's Workspace")
}
