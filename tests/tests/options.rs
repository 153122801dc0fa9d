//! `/v1/organizations/{organizationId}/cluster-options` and `.../deployment-options`

use std::sync::Arc;

use airlock_core::catalogue::{BUILT_IN, Catalogue};
use airlock_server::Settings;
use airlock_tests::{Database, World, on_both};
use serde_json::{Value, json};

async fn cluster_options(world: &World, query: &str) -> Value {
    world.get(&world.path(&format!("/cluster-options?{query}"))).await.expect(200)
}

async fn deployment_options(world: &World, query: &str) -> Value {
    world.get(&world.path(&format!("/deployment-options?{query}"))).await.expect(200)
}

/// What each entry of a list has for a key.
fn each<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().expect("a list").iter().map(|one| one[key].as_str().expect("a text")).collect()
}

on_both! {
    /// All clouds, or one; an empty value is as none, as both stock clients send it.
    async fn options_for_clusters(world) {
        for (query, clouds) in [
            ("type=DEDICATED", &["AWS", "AZURE", "GCP"][..]),
            ("type=DEDICATED&provider=", &["AWS", "AZURE", "GCP"]),
            ("type=HYBRID", &["AWS", "AZURE", "GCP"]),
            ("type=HYBRID&provider=GCP", &["GCP"]),
        ] {
            assert_eq!(each(&cluster_options(&world, query).await, "provider"), clouds, "{query}");
        }
        let options = cluster_options(&world, "type=DEDICATED&provider=GCP").await[0].clone();
        assert_eq!(options["defaultRegion"]["name"], "us-central1");
        for (default, all) in [
            ("defaultRegion", "regions"), ("defaultNodeInstance", "nodeInstances"),
            ("defaultDatabaseInstance", "databaseInstances"),
        ] {
            let all = options[all].as_array().expect("a list");
            assert!(all.contains(&options[default]), "{default}");
        }
        for range in ["Vpc", "Pod", "Service"] {
            assert!(options[format!("default{range}SubnetRange")].is_string(), "{range}");
        }
        for (query, field) in [("", "type"), ("type=", "type"), ("type=STANDARD", "type"), ("type=HYBRID&provider=MOON", "provider")]
        {
            let answer = world.get(&world.path(&format!("/cluster-options?{query}"))).await;
            assert_eq!(answer.fields(), [field], "{}", answer.json);
            answer.expect(400);
        }
    }

    /// Everybody in the Organization may see what clusters can be; nobody else.
    async fn options_for_clusters_are_for_the_organization(world) {
        let path = world.path("/cluster-options?type=DEDICATED");
        let accessor = world.workspace_token("WORKSPACE_ACCESSOR").await.1;
        world.call(Some(&accessor), "GET", &path, &Value::Null).await.expect(200);
        let stranger = world.second_organization().await;
        let answer = world.call(Some(&stranger.owner), "GET", &path, &Value::Null).await;
        assert_eq!(answer.message(), "Organization not found");
        answer.expect(404);
    }

    /// What clients look into without asking is there, for whatever they ask; filters narrow it.
    async fn options_for_deployments(world) {
        let hosted = ["A5", "A10", "A20", "A40", "A60", "A120", "A160"];
        for (query, executors, machines) in [
            ("", &["CELERY", "KUBERNETES", "ASTRO"][..], &hosted[..]),
            ("deploymentType=&executor=&cloudProvider=&deploymentId=", &["CELERY", "KUBERNETES", "ASTRO"], &hosted),
            ("deploymentType=STANDARD&cloudProvider=AZURE", &["CELERY", "KUBERNETES", "ASTRO"], &hosted),
            ("deploymentType=DEDICATED&executor=CELERY", &["CELERY", "KUBERNETES", "ASTRO"], &hosted),
            ("deploymentType=HYBRID&executor=KUBERNETES", &["CELERY", "KUBERNETES"], &[]),
        ] {
            let options = deployment_options(&world, query).await;
            assert_eq!(options["executors"], json!(executors), "{query}");
            assert_eq!(each(&options["workerMachines"], "name"), machines, "{query}");
            assert_eq!(each(&options["runtimeReleases"], "version"), ["3.3.2", "3.2.2", "3.1.8", "3.0.6"], "{query}");
            assert_eq!(each(&options["schedulerMachines"], "name"), ["SMALL", "MEDIUM", "LARGE", "EXTRA_LARGE"]);
            assert_eq!(options["workloadIdentityOptions"], json!([]));
        }
        let options = deployment_options(&world, "").await;
        assert_eq!(options["resourceQuotas"]["resourceQuota"]["cpu"], json!({"floor": "1", "default": "10", "ceiling": "1600"}));
        assert_eq!(options["workerQueues"]["minWorkers"], json!({"floor": 0, "default": 0, "ceiling": 20}));
        assert_eq!(options["workerMachines"][0], json!({
            "name": "A5", "concurrency": {"floor": 1, "default": 5, "ceiling": 15},
            "spec": {"cpu": "1", "memory": "2Gi", "ephemeralStorage": "10Gi", "concurrency": 5},
        }));
        assert_eq!(options["runtimeReleases"][0], json!({
            "version": "3.3.2", "airflowVersion": "3.3.2", "channel": "stable", "releaseDate": "2026-09-12T00:00:00Z",
            "airflowDatabaseMigration": true, "stellarDatabaseMigration": false,
        }));
        for (query, field) in [("deploymentType=OTHER", "deploymentType"), ("executor=LOCAL", "executor")] {
            let answer = world.get(&world.path(&format!("/deployment-options?{query}"))).await;
            assert_eq!(answer.fields(), [field], "{}", answer.json);
            answer.expect(400);
        }
    }

    /// For a Deployment they are those of its type, and of its version of Airflow and after.
    async fn options_for_one_deployment(world) {
        let cluster = world.new_cluster("HYBRID").await;
        let body = json!({
            "name": "x", "workspaceId": world.workspace, "clusterId": cluster, "astroRuntimeVersion": "3.2.2",
        });
        let hybrid = world.post(&world.path("/deployments"), body).await.expect(200);
        let hybrid = hybrid["id"].as_str().expect("an id");
        let options = deployment_options(&world, &format!("deploymentId={hybrid}")).await;
        assert_eq!(options["executors"], json!(["CELERY", "KUBERNETES"]));
        assert_eq!(each(&options["runtimeReleases"], "version"), ["3.3.2", "3.2.2"]);
        let options = deployment_options(&world, &format!("deploymentId={hybrid}&deploymentType=STANDARD")).await;
        assert_eq!(options["executors"], json!(["CELERY", "KUBERNETES", "ASTRO"]));
        let options = deployment_options(&world, &format!("deploymentId={}", world.deployment)).await;
        assert_eq!(options["runtimeReleases"].as_array().map(Vec::len), Some(4));

        let elsewhere = world.new_workspace("elsewhere").await;
        let hidden = world.new_deployment(&elsewhere, true).await;
        let member = world.workspace_token("WORKSPACE_OWNER").await.1;
        for id in [hidden.as_str(), "cnowhere"] {
            let path = world.path(&format!("/deployment-options?deploymentId={id}"));
            let answer = world.call(Some(&member), "GET", &path, &Value::Null).await;
            assert_eq!(answer.message(), "deploymentId: there is no such Deployment, or you may not see it");
            answer.expect(400);
        }
    }
}

/// An operator's catalogue is what is offered, and what a Deployment has that does not say.
#[tokio::test]
async fn another_catalogue() {
    let text = BUILT_IN.replace("version = \"3.3.2\"\n", "version = \"3.3.2+ours\"\n");
    let text = text.replace(
        "name = \"SMALL\"\ncpu = \"1\"",
        "name = \"SMALL\"\nfor = { types = [\"STANDARD\"], clouds = [\"AWS\"] }\ncpu = \"1500m\"",
    );
    let catalogue = Arc::new(Catalogue::parse(&text).expect("sound"));
    let settings = Settings { catalogue, ..Settings::default() };
    let world = World::with_settings(Database::sqlite(), settings).await;
    let options = deployment_options(&world, "cloudProvider=GCP").await;
    assert_eq!(options["runtimeReleases"][0]["version"], "3.3.2+ours");
    assert_eq!(each(&options["schedulerMachines"], "name"), ["MEDIUM", "LARGE", "EXTRA_LARGE"]);
    for (cloud, size, cpu) in [("AWS", "SMALL", "1500m"), ("GCP", "MEDIUM", "2")] {
        let body = json!({"name": "x", "workspaceId": world.workspace, "cloudProvider": cloud});
        let made = world.post(&world.path("/deployments"), body).await.expect(200);
        assert_eq!((&made["schedulerSize"], &made["schedulerCpu"]), (&json!(size), &json!(cpu)));
    }
}
