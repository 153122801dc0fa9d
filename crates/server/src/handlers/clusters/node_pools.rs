//! The node pools of a cluster: which of those asked for are there already.

use std::collections::HashSet;

use airlock_contract::{
    ClusterId, Time,
    wire::{CloudProvider, NodePool, UpdateNodePoolRequest},
};
use airlock_core::{Error, Result};

use crate::App;

/// What all node pools of a cluster have from it, and what new ones are made with.
pub(super) struct NodePools<'a> {
    pub(super) app: &'a App,
    pub(super) cluster: &'a ClusterId,
    pub(super) provider: CloudProvider,
    pub(super) now: Time,
}

impl NodePools<'_> {
    /// Those of a new cluster, whatever ids they came with.
    pub(super) fn of_new(&self, asked: Vec<UpdateNodePoolRequest>) -> Result<Vec<NodePool>> {
        self.changed(asked.into_iter().map(|pool| UpdateNodePoolRequest { id: None, ..pool }).collect(), &[])
    }

    /// Those asked for, in their order. One that comes with an id, or otherwise with a name, that
    /// the cluster has is the same one as before; its time of change moves when anything else of it
    /// does.
    pub(super) fn changed(&self, asked: Vec<UpdateNodePoolRequest>, old: &[NodePool]) -> Result<Vec<NodePool>> {
        let by_id: HashSet<String> = asked.iter().filter_map(|pool| pool.id.clone()).collect();
        let mut names = HashSet::new();
        let mut kept = HashSet::new();
        let pools = asked.into_iter().enumerate().map(|(at, pool)| {
            if !names.insert(pool.name.clone()) {
                return Err(Error::field("conflict", format!("nodePools[{at}].name"), "is there more than once"));
            }
            let was = match pool.id.as_deref().filter(|id| !id.is_empty()) {
                Some(id) => {
                    let known = old.iter().find(|was| was.id == id);
                    let unknown = || {
                        let field = format!("nodePools[{at}].id");
                        Error::field("unknown", field, "the cluster has no such node pool; leave it out for a new one")
                    };
                    Some(known.ok_or_else(unknown)?)
                }
                None => old.iter().find(|was| was.name == pool.name && !by_id.contains(&was.id)),
            };
            if was.is_some_and(|was| !kept.insert(&was.id)) {
                return Err(Error::field("conflict", format!("nodePools[{at}].id"), "is there more than once"));
            }
            Ok(self.pool(pool, was))
        });
        pools.collect()
    }

    fn pool(&self, asked: UpdateNodePoolRequest, was: Option<&NodePool>) -> NodePool {
        let is_default = asked.is_default.or(was.map(|was| was.is_default)).unwrap_or_default();
        let is_same = was.is_some_and(|was| {
            (&was.name, &was.node_instance_type, was.max_node_count, was.is_default)
                == (&asked.name, &asked.node_instance_type, asked.max_node_count, is_default)
        });
        NodePool {
            id: was.map_or_else(|| self.app.env.new_id::<ClusterId>().to_string(), |was| was.id.clone()),
            name: asked.name,
            cluster_id: self.cluster.clone(),
            cloud_provider: self.provider,
            is_default,
            max_node_count: asked.max_node_count,
            node_instance_type: asked.node_instance_type,
            supported_astro_machines: None,
            created_at: was.map_or(self.now, |was| was.created_at),
            updated_at: was.filter(|_| is_same).map_or(self.now, |was| was.updated_at),
        }
    }
}
