//! `/authorization/permission-groups`

use airlock_contract::{
    operations::ListPermissionGroups,
    permissions::GROUPS,
    wire::{PermissionEntry, PermissionGroup, PermissionGroups},
};
use airlock_core::Result;
use airlock_store::Reading;

use crate::adaptor::{Call, Handlers, Read};

impl Read<ListPermissionGroups> for Handlers {
    async fn read(call: &Call<'_, ListPermissionGroups>, _: &Reading) -> Result<PermissionGroups> {
        let asked = call.query.scope_type;
        let groups = GROUPS.iter().filter(|group| asked.is_none_or(|scope| group.belongs_to(scope)));
        let view = |group: &airlock_contract::permissions::Group| PermissionGroup {
            name: group.name.into(),
            scope: in_words(group.name),
            description: group.description.into(),
            permissions: group
                .actions
                .iter()
                .map(|action| PermissionEntry {
                    action: action.verb().into(),
                    description: action.description().into(),
                })
                .collect(),
        };
        Ok(groups.map(view).collect())
    }
}

/// `deployment.agentTokens` in words is `Deployment AgentTokens`.
fn in_words(name: &str) -> String {
    let capitalized = name.split('.').map(|part| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    capitalized.collect::<Vec<_>>().join(" ")
}
