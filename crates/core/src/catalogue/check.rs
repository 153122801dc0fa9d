//! Checks that the parts of a catalogue fit together, so that whoever changes it learns of a fault
//! when the server starts, and clients find what they look into without asking.

use std::collections::HashSet;

use airlock_contract::wire::{CloudProvider, DeploymentType, Executor, text};

use super::{
    Catalogue, Wanted,
    entries::{Amounts, Cloud, Entry, Named, Numbers, offered},
};

type Checked = Result<(), String>;

pub(super) fn check(catalogue: &Catalogue) -> Checked {
    each_once("runtimes", catalogue.runtimes.iter().map(Entry::name))?;
    each_once("executors", catalogue.executors.iter().map(Entry::name))?;
    each_once("scheduler_machines", catalogue.scheduler_machines.iter().map(Entry::name))?;
    each_once("worker_machines", catalogue.worker_machines.iter().map(Entry::name))?;
    each_once("clusters", catalogue.clusters.iter().map(|cloud| cloud.provider.as_str()))?;
    // The Terraform provider takes the first version without looking whether there is one.
    some_for_all("runtimes", &catalogue.runtimes, Executor::ALL)?;
    some_for_all("executors", &catalogue.executors, &[])?;
    for machine in &catalogue.scheduler_machines {
        amounts(&format!("scheduler_machines {}", machine.name()), [&machine.cpu, &machine.memory])?;
    }
    for machine in &catalogue.worker_machines {
        let at = format!("worker_machines {}", machine.name());
        amounts(&at, [&machine.cpu, &machine.memory, &machine.ephemeral_storage])?;
        numbers(&format!("{at}: concurrency"), &machine.concurrency)?;
    }
    let queues = &catalogue.worker_queues;
    numbers("worker_queues.min_workers", &queues.min_workers)?;
    numbers("worker_queues.max_workers", &queues.max_workers)?;
    numbers("worker_queues.worker_concurrency", &queues.worker_concurrency)?;
    let quotas = &catalogue.resource_quotas;
    for (name, resources) in
        [("default_pod_size", &quotas.default_pod_size), ("resource_quota", &quotas.resource_quota)]
    {
        range(&format!("resource_quotas.{name}.cpu"), &resources.cpu)?;
        range(&format!("resource_quotas.{name}.memory"), &resources.memory)?;
    }
    catalogue.clusters.iter().try_for_each(cloud)
}

fn each_once<'a>(at: &str, names: impl Iterator<Item = &'a str>) -> Checked {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(format!("{at}: a name is empty"));
        }
        if !seen.insert(name) {
            return Err(format!("{at}: {name} is there more than once"));
        }
    }
    Ok(())
}

/// Whatever a client asks for, there is an entry.
fn some_for_all<T: Entry>(at: &str, entries: &[T], executors: &[Executor]) -> Checked {
    let executors = executors.iter().copied().map(Some).chain([None]).collect::<Vec<_>>();
    for &kind in DeploymentType::ALL {
        for &cloud in CloudProvider::ALL {
            for &executor in &executors {
                if offered(entries, Wanted { kind: Some(kind), executor, cloud: Some(cloud) }).next().is_none() {
                    let with = executor.map(|executor| format!(" with the executor {}", executor.as_str()));
                    return Err(format!(
                        "{at}: none is for a Deployment of the type {} in the cloud {}{}",
                        kind.as_str(),
                        cloud.as_str(),
                        with.unwrap_or_default()
                    ));
                }
            }
        }
    }
    Ok(())
}

fn numbers(at: &str, Numbers { floor, default, ceiling }: &Numbers) -> Checked {
    if floor <= default && default <= ceiling {
        Ok(())
    } else {
        Err(format!("{at}: {floor} <= {default} <= {ceiling} does not hold; expected floor <= default <= ceiling"))
    }
}

fn range(at: &str, Amounts { floor, default, ceiling }: &Amounts) -> Checked {
    let [least, middle, most] = [amount(at, floor)?, amount(at, default)?, amount(at, ceiling)?];
    if least <= middle && middle <= most {
        Ok(())
    } else {
        Err(format!("{at}: {floor} <= {default} <= {ceiling} does not hold; expected floor <= default <= ceiling"))
    }
}

fn amounts<const N: usize>(at: &str, texts: [&String; N]) -> Checked {
    texts.iter().try_for_each(|text| amount(at, text).map(drop))
}

/// Reads an amount as Kubernetes writes it: a number, and what it counts.
fn amount(at: &str, text: &str) -> Result<f64, String> {
    const UNITS: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("m", 0.001),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("", 1.0),
    ];
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| digits.parse::<f64>().ok())?;
    let read = UNITS.iter().find_map(|(unit, factor)| Some(number(text.strip_suffix(unit)?)? * factor));
    read.ok_or_else(|| format!("{at}: {text:?} is no amount such as 0.5, 500m or 2Gi"))
}

fn cloud(cloud: &Cloud) -> Checked {
    let at = format!("clusters {}", cloud.provider.as_str());
    is_one_of(&format!("{at}: default_region"), &cloud.default_region, &cloud.regions)?;
    is_one_of(&format!("{at}: default_node_instance"), &cloud.default_node_instance, &cloud.node_instances)?;
    let database = &cloud.default_database_instance;
    is_one_of(&format!("{at}: default_database_instance"), database, &cloud.database_instances)?;
    for instance in cloud.node_instances.iter().chain(&cloud.database_instances) {
        amount(&format!("{at}: {}", instance.name()), &instance.memory)?;
    }
    numbers(&format!("{at}: nodes"), &cloud.nodes)?;
    let ranges = [
        ("vpc_subnet_range", Some(&cloud.vpc_subnet_range)),
        ("pod_subnet_range", cloud.pod_subnet_range.as_ref()),
        ("service_subnet_range", cloud.service_subnet_range.as_ref()),
        ("service_peering_range", cloud.service_peering_range.as_ref()),
    ];
    for (name, range) in ranges {
        range.map_or(Ok(()), |range| text::cidr(range, &())).map_err(|fault| format!("{at}: {name}: {fault}"))?;
    }
    Ok(())
}

fn is_one_of<T: Named>(at: &str, name: &str, all: &[T]) -> Checked {
    let names: Vec<&str> = all.iter().map(Named::name).collect();
    if names.contains(&name) { Ok(()) } else { Err(format!("{at}: {name:?} is none of {}", names.join(", "))) }
}
