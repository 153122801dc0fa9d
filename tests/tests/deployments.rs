//! `/v1/organizations/{organizationId}/deployments`

use std::sync::Arc;

use airlock_tests::{Answer, Database, MASTER_KEY, World, on_both};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A new Deployment, as it was answered.
async fn create(world: &World, body: Value) -> Value {
    world.post(&world.path("/deployments"), body).await.expect(200)
}

/// The path of one Deployment.
fn one(world: &World, deployment: &Value) -> String {
    world.path(&format!("/deployments/{}", deployment["id"].as_str().expect("an id")))
}

/// The names on a page, in its order.
fn names(page: &Value) -> Vec<&str> {
    page["deployments"]
        .as_array()
        .expect("Deployments")
        .iter()
        .map(|one| one["name"].as_str().expect("a name"))
        .collect()
}

/// Holds an answer against what was sent: every value is there as it was sent, whatever else is.
#[track_caller]
fn assert_echoes(answer: &Value, sent: &Value, at: &str) {
    match sent {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert_echoes(&answer[name], value, &format!("{at}.{name}"));
            }
        }
        Value::Array(values) => {
            assert_eq!(answer.as_array().map(Vec::len), Some(values.len()), "{at}: {answer}");
            for (n, value) in values.iter().enumerate() {
                assert_echoes(&answer[n], value, &format!("{at}[{n}]"));
            }
        }
        plain => assert_eq!(answer, plain, "{at}"),
    }
}

/// Takes a field out, to look at it apart.
fn take(body: &mut Value, field: &str) -> Value {
    body.as_object_mut().and_then(|fields| fields.remove(field)).unwrap_or_else(|| panic!("no {field} in {body}"))
}

/// What all kinds can be asked for.
fn common(world: &World, kind: &str) -> Value {
    json!({
        "name": "everything ü", "description": "asked for", "type": kind, "workspaceId": world.workspace,
        "astroRuntimeVersion": "3.0-1", "executor": "CELERY", "isCicdEnforced": true, "isDagDeployEnabled": true,
        "contactEmails": ["a@example.org", "b@example.org"], "workloadIdentity": "arn:1", "drWorkloadIdentity": "arn:2",
        "environmentVariables": [
            {"key": "PLAIN", "value": "visible", "isSecret": false},
            {"key": "EMPTY", "value": "", "isSecret": false},
        ],
    })
}

/// What the hosted kinds can be asked for besides.
fn hosted(world: &World, kind: &str) -> Value {
    let mut body = common(world, kind);
    for (key, value) in [
        ("defaultTaskPodCpu", json!("0.5")),
        ("defaultTaskPodMemory", json!("1Gi")),
        ("isDevelopmentMode", json!(true)),
        ("isHighAvailability", json!(true)),
        ("resourceQuotaCpu", json!("12")),
        ("resourceQuotaMemory", json!("24Gi")),
        ("schedulerSize", json!("EXTRA_LARGE")),
        (
            "remoteExecution",
            json!({
                "enabled": true, "allowedIpAddressRanges": ["203.0.113.0/24", "2001:db8::/32"],
                "taskLogBucket": "s3://logs", "taskLogUrlPattern": "https://logs/{dag_id}",
            }),
        ),
        (
            "scalingSpec",
            json!({"hibernationSpec": {
                "override": {"isHibernating": true, "overrideUntil": "2026-03-01T00:00:00Z"},
                "schedules": [{
                    "description": "nights", "hibernateAtCron": "0 20 * * *", "wakeAtCron": "0 6 * * *", "isEnabled": true,
                }],
            }}),
        ),
        (
            "workerQueues",
            json!([
                {"name": "default", "isDefault": true, "maxWorkerCount": 10, "minWorkerCount": 0, "workerConcurrency": 16,
                 "astroMachine": "A5", "podEphemeralStorage": "10Gi"},
                {"name": "big", "isDefault": false, "maxWorkerCount": 2, "minWorkerCount": 1, "workerConcurrency": 1,
                 "astroMachine": "A160"},
            ]),
        ),
    ] {
        body[key] = value;
    }
    body
}

/// Creates, and holds all answers about the Deployment against what was sent.
async fn assert_round_trip(world: &World, body: Value) -> Value {
    let made = create(world, body.clone()).await;
    let mut expected = body;
    expected["effectiveWorkloadIdentity"] = take(&mut expected, "workloadIdentity");
    expected["effectiveDRWorkloadIdentity"] = take(&mut expected, "drWorkloadIdentity");
    if let Some(scheduler) = expected.as_object_mut().and_then(|fields| fields.remove("scheduler")) {
        expected["schedulerAu"] = scheduler["au"].clone();
        expected["schedulerReplicas"] = scheduler["replicas"].clone();
    }
    assert_echoes(&made, &expected, "");
    assert_eq!(made["organizationId"], json!(world.organization));
    assert_eq!(made["workspaceName"], "First workspace");
    assert_eq!(made["createdBy"]["apiTokenName"], "First owner");
    assert_eq!(made["createdAt"], "2026-01-01T00:00:00Z");
    assert_eq!(world.get(&one(world, &made)).await.expect(200), made, "a later answer differs");
    let id = made["id"].as_str().expect("an id");
    let page = world.get(&world.path(&format!("/deployments?deploymentIds={id}"))).await.expect(200);
    assert_eq!(page["deployments"], json!([made]));
    made
}

on_both! {
    /// Each kind answers with every configured value as it was sent.
    async fn a_standard_deployment_echoes_what_was_sent(world) {
        let mut body = hosted(&world, "STANDARD");
        body["cloudProvider"] = json!("AWS");
        body["region"] = json!("eu-central-1");
        let made = assert_round_trip(&world, body).await;
        assert!(made.get("clusterName").is_none());
    }

    /// As STANDARD, with a cluster; the CLI needs its id and name.
    async fn a_dedicated_deployment_echoes_what_was_sent(world) {
        let mut body = hosted(&world, "DEDICATED");
        body["executor"] = json!("ASTRO");
        body["clusterId"] = json!(world.new_cluster("DEDICATED").await);
        let made = assert_round_trip(&world, body).await;
        assert_eq!(made["clusterName"], "DEDICATED");
    }

    /// HYBRID has a scheduler by units and node pools instead.
    async fn a_hybrid_deployment_echoes_what_was_sent(world) {
        let mut body = common(&world, "HYBRID");
        body["executor"] = json!("KUBERNETES");
        body["clusterId"] = json!(world.new_cluster("HYBRID").await);
        body["scheduler"] = json!({"au": 5, "replicas": 2});
        body["taskPodNodePoolId"] = json!("clm8q7f6q000008lcgyougpsl");
        body["workerQueues"] = json!([{
            "name": "default", "isDefault": true, "maxWorkerCount": 10, "minWorkerCount": 1, "workerConcurrency": 16,
            "nodePoolId": "clm8q7f6q000008lcgyougpsl",
        }]);
        let made = assert_round_trip(&world, body).await;
        assert_eq!(made["clusterName"], "HYBRID");
        assert!(made.get("schedulerSize").is_none());
    }

    /// A name and a Workspace are enough; what the stock clients look at without asking is there,
    /// and lists are empty, not absent.
    async fn the_least_that_a_deployment_needs(world) {
        let made = create(&world, json!({"name": "x", "workspaceId": world.workspace})).await;
        for (key, value) in [
            ("type", json!("STANDARD")), ("executor", json!("CELERY")), ("schedulerSize", json!("SMALL")),
            ("isCicdEnforced", json!(false)), ("isDagDeployEnabled", json!(false)), ("isHighAvailability", json!(false)),
            ("isDevelopmentMode", json!(false)), ("workspaceName", json!("First workspace")),
            ("environmentVariables", json!([])), ("workerQueues", json!([])), ("contactEmails", json!([])),
        ] {
            assert_eq!(made[key], value, "{key}");
        }
        for key in ["defaultTaskPodCpu", "defaultTaskPodMemory", "resourceQuotaCpu", "resourceQuotaMemory"] {
            assert!(made[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
        }
        assert!(made.get("remoteExecution").is_none() && made.get("description").is_none());
        let none = json!({"name": "x", "workspaceId": world.workspace, "remoteExecution": {"enabled": false}});
        assert_eq!(create(&world, none).await["remoteExecution"]["allowedIpAddressRanges"], json!([]));
    }

    /// What the request leaves out is as the Workspace says.
    async fn a_new_deployment_takes_its_workspaces_defaults(world) {
        let workspace = world.post(&world.path("/workspaces"), json!({
            "name": "with defaults", "cicdEnforcedDefault": true, "defaultCloudProvider": "GCP",
            "defaultRegion": "europe-west4",
        })).await.expect(200)["id"].clone();
        let made = create(&world, json!({"name": "x", "workspaceId": workspace})).await;
        assert_eq!(
            (&made["isCicdEnforced"], &made["cloudProvider"], &made["region"]),
            (&json!(true), &json!("GCP"), &json!("europe-west4"))
        );
        let made = create(&world, json!({
            "name": "x", "workspaceId": workspace, "isCicdEnforced": false, "cloudProvider": "AWS", "region": "eu-west-1",
        })).await;
        assert_eq!(
            (&made["isCicdEnforced"], &made["cloudProvider"], &made["region"]),
            (&json!(false), &json!("AWS"), &json!("eu-west-1"))
        );
    }

    /// Without a type, it is that of the cluster which is named or the Workspace's default; a
    /// cluster says where its Deployments are.
    async fn a_deployment_is_where_its_cluster_is(world) {
        let (dedicated, hybrid) = (world.new_cluster("DEDICATED").await, world.new_cluster("HYBRID").await);
        let workspace = async |name: &str, cluster: &str| {
            let body = json!({
                "name": name, "defaultClusterId": cluster, "defaultCloudProvider": "GCP", "defaultRegion": "us-east4",
            });
            world.post(&world.path("/workspaces"), body).await.expect(200)["id"].clone()
        };
        let bare = json!(world.workspace);
        let (in_dedicated, in_hybrid) = (workspace("d", &dedicated).await, workspace("h", &hybrid).await);
        let frankfurt = ("AWS", "eu-central-1");
        for (asked, home, kind, cluster, (cloud, region)) in [
            (json!({}), &in_dedicated, "DEDICATED", Some(&dedicated), frankfurt),
            (json!({}), &in_hybrid, "HYBRID", Some(&hybrid), frankfurt),
            (json!({"type": "DEDICATED"}), &in_dedicated, "DEDICATED", Some(&dedicated), frankfurt),
            (json!({"clusterId": hybrid}), &in_dedicated, "HYBRID", Some(&hybrid), frankfurt),
            (json!({"clusterId": ""}), &in_hybrid, "HYBRID", Some(&hybrid), frankfurt),
            (json!({"clusterId": dedicated}), &bare, "DEDICATED", Some(&dedicated), frankfurt),
            (json!({"clusterId": dedicated, "cloudProvider": "GCP", "region": "mars"}), &bare, "DEDICATED", Some(&dedicated), frankfurt),
            (json!({"type": "STANDARD"}), &in_dedicated, "STANDARD", None, ("GCP", "us-east4")),
            (json!({"type": "STANDARD", "clusterId": ""}), &in_dedicated, "STANDARD", None, ("GCP", "us-east4")),
            (json!({"region": "us-west1"}), &in_dedicated, "STANDARD", None, ("GCP", "us-west1")),
            (json!({"cloudProvider": "AZURE"}), &in_dedicated, "STANDARD", None, ("AZURE", "us-east4")),
        ] {
            let mut body = json!({"name": "x", "workspaceId": home});
            body.as_object_mut().expect("an object").extend(asked.as_object().expect("an object").clone());
            let made = create(&world, body).await;
            assert_eq!(made["type"], kind, "{asked}");
            assert_eq!(made.get("clusterId").and_then(Value::as_str), cluster.map(String::as_str), "{asked}");
            assert_eq!(made.get("clusterName").and_then(Value::as_str), cluster.map(|_| kind), "{asked}");
            assert_eq!((&made["cloudProvider"], &made["region"]), (&json!(cloud), &json!(region)), "{asked}");
            assert_eq!(world.get(&one(&world, &made)).await.expect(200), made);
        }
        let before = world.dump().await;
        for (asked, says) in [
            (json!({"type": "DEDICATED"}), "is required for the type DEDICATED"),
            (json!({"type": "HYBRID", "clusterId": ""}), "is required for the type HYBRID"),
            (json!({"type": "STANDARD", "clusterId": dedicated}), "a STANDARD Deployment runs in none"),
            (json!({"type": "DEDICATED", "clusterId": hybrid}), "the cluster HYBRID is for Deployments of the type HYBRID"),
            (json!({"clusterId": "cnowhere"}), "there is no such cluster"),
            (json!({"type": "HYBRID", "clusterId": "no/id"}), "there is no such cluster"),
        ] {
            let mut body = json!({"name": "x", "workspaceId": bare});
            body.as_object_mut().expect("an object").extend(asked.as_object().expect("an object").clone());
            let answer = world.post(&world.path("/deployments"), body).await;
            assert_eq!(answer.fields(), ["clusterId"], "{asked}: {}", answer.json);
            assert!(answer.message().contains(says), "{asked}: {}", answer.message());
            answer.expect(400);
        }
        assert_eq!(world.dump().await, before);
    }

    /// What is for another type is not kept, whether it was there at first or came later.
    async fn a_deployment_has_the_settings_of_its_type(world) {
        let foreign = json!({"scheduler": {"au": 24, "replicas": 4}, "taskPodNodePoolId": "cpool"});
        let mut body = json!({"name": "x", "workspaceId": world.workspace, "type": "STANDARD"});
        body.as_object_mut().expect("an object").extend(foreign.as_object().expect("an object").clone());
        let made = create(&world, body).await;
        let mut changes = update(&world, json!([]));
        changes.as_object_mut().expect("an object").extend(foreign.as_object().expect("an object").clone());
        let changed = world.post(&one(&world, &made), changes).await.expect(200);
        for answer in [&made, &changed] {
            assert_eq!(answer["schedulerReplicas"], 1);
            assert!(answer.get("schedulerAu").is_none() && answer.get("taskPodNodePoolId").is_none(), "{answer}");
            assert_eq!((&answer["schedulerCpu"], &answer["schedulerMemory"]), (&json!("1"), &json!("2Gi")));
        }
        let cluster = world.new_cluster("HYBRID").await;
        let made = create(&world, json!({
            "name": "x", "workspaceId": world.workspace, "clusterId": cluster, "schedulerSize": "LARGE",
            "remoteExecution": {"enabled": true},
        })).await;
        assert_eq!((&made["schedulerAu"], &made["schedulerReplicas"]), (&json!(5), &json!(1)), "the CLI looks at both");
        assert!(made.get("schedulerSize").is_none() && made.get("remoteExecution").is_none(), "{made}");
        let astro = json!({"name": "x", "workspaceId": world.workspace, "clusterId": cluster, "executor": "ASTRO"});
        let answer = world.post(&world.path("/deployments"), astro).await;
        assert_eq!(answer.fields(), ["executor"]);
        answer.expect(400);
    }

    /// A queue has a machine, and what that has; queues that cannot be told apart are refused.
    async fn queues_have_machines(world) {
        let queue = |name: &str| json!({
            "name": name, "isDefault": name == "a", "maxWorkerCount": 2, "minWorkerCount": 1, "workerConcurrency": 1,
        });
        let with = |mut queue: Value, key: &str, value: Value| {
            queue[key] = value;
            queue
        };
        let body = |queues: Value| json!({"name": "x", "workspaceId": world.workspace, "workerQueues": queues});
        let made = create(&world, body(json!([queue("a"), with(queue("b"), "astroMachine", json!("A20"))]))).await;
        for (at, machine, cpu, memory) in [(0, "A5", "1", "2Gi"), (1, "A20", "4", "8Gi")] {
            let queue = &made["workerQueues"][at];
            assert_eq!([&queue["astroMachine"], &queue["podCpu"], &queue["podMemory"]], [machine, cpu, memory]);
        }
        for (queues, field) in [
            (json!([queue("a"), queue("a")]), "workerQueues[1].name"),
            (json!([with(queue("a"), "id", json!("c1")), with(queue("b"), "id", json!("c1"))]), "workerQueues[1].id"),
            (json!([with(queue("a"), "minWorkerCount", json!(3))]), "workerQueues[0].minWorkerCount"),
        ] {
            let answer = world.post(&world.path("/deployments"), body(queues)).await;
            assert_eq!(answer.fields(), [field], "{}", answer.json);
            answer.expect(400);
        }
        let mut swapped = update(&world, json!([]));
        swapped["workerQueues"] = json!([with(queue("b"), "id", made["workerQueues"][0]["id"].clone()), queue("a")]);
        let changed = world.post(&one(&world, &made), swapped).await.expect(200);
        assert_eq!(changed["workerQueues"][0]["id"], made["workerQueues"][0]["id"]);
        let ids = [0, 1].map(|at| made["workerQueues"][at]["id"].clone());
        assert!(!ids.contains(&changed["workerQueues"][1]["id"]), "two queues have one id");
    }

    /// The address that a remote agent is given is the Deployment's own.
    async fn remote_execution_has_an_address(world) {
        let made = world.get(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(200);
        assert_eq!(
            made["remoteExecution"]["remoteApiUrl"],
            format!("http://127.0.0.1:8888/d/{}/edge_worker/v1/rpcapi", world.deployment)
        );
    }

    /// Where its Airflow is, a Deployment knows from the variable by which Airflow itself does.
    async fn airflow_is_where_its_variable_says(world) {
        let made = create(&world, json!({
            "name": "x", "workspaceId": world.workspace,
            "environmentVariables":
                [{"key": "AIRFLOW__API__BASE_URL", "value": "https://airflow.example.org/a/", "isSecret": false}],
        })).await;
        assert_eq!(made["uiUrl"], "https://airflow.example.org/a");
        assert_eq!(made["apiUrl"], "https://airflow.example.org/a/api/v2");
        assert_eq!(made["webServerUrl"], "airflow.example.org/a");
    }

    /// An update keeps what it leaves out, and replaces what it names.
    async fn an_update_keeps_what_it_leaves_out(world) {
        let mut body = hosted(&world, "STANDARD");
        body["cloudProvider"] = json!("AWS");
        body["region"] = json!("eu-central-1");
        let made = create(&world, body).await;
        world.clock.advance(1);
        let least = json!({
            "name": "renamed", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": true, "isDagDeployEnabled": true, "isHighAvailability": true,
            "schedulerSize": "EXTRA_LARGE", "environmentVariables": [
                {"key": "PLAIN", "value": "visible", "isSecret": false},
                {"key": "EMPTY", "value": "", "isSecret": false},
            ],
        });
        let changed = world.post(&one(&world, &made), least.clone()).await.expect(200);
        let mut expected = made.clone();
        expected["name"] = json!("renamed");
        expected["updatedAt"] = json!("2026-01-01T00:00:01Z");
        assert_eq!(changed, expected);
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), expected);

        let mut new = least;
        for (key, value) in [
            ("description", json!("")), ("contactEmails", json!([])), ("isCicdEnforced", json!(false)),
            ("isDagDeployEnabled", json!(false)), ("isDevelopmentMode", json!(false)),
            ("isHighAvailability", json!(false)), ("schedulerSize", json!("SMALL")), ("executor", json!("KUBERNETES")),
            ("environmentVariables", json!([])), ("resourceQuotaCpu", json!("1")),
            ("remoteExecution", json!({"enabled": false, "allowedIpAddressRanges": []})),
            ("scalingSpec", json!({"hibernationSpec": {"schedules": []}})),
        ] {
            new[key] = value;
        }
        let changed = world.post(&one(&world, &made), new.clone()).await.expect(200);
        assert_echoes(&changed, &new, "");
        for (kept, value) in [("region", "eu-central-1"), ("cloudProvider", "AWS"), ("defaultTaskPodCpu", "0.5")] {
            assert_eq!(changed[kept], value, "{kept}");
        }
        assert_eq!(changed.get("workerQueues"), None, "KUBERNETES has none");
    }

    /// Where no queues are due, there is no empty list of them either; elsewhere it is there, for
    /// the CLI looks at it without asking.
    async fn queues_are_absent_where_none_are_due(world) {
        let hybrid = world.new_cluster("HYBRID").await;
        let dedicated = world.new_cluster("DEDICATED").await;
        for (more, expected) in [
            (json!({"executor": "CELERY"}), Some(json!([]))),
            (json!({"executor": "ASTRO"}), Some(json!([]))),
            (json!({"executor": "ASTRO", "remoteExecution": {"enabled": false}}), Some(json!([]))),
            (json!({"executor": "KUBERNETES"}), None),
            (json!({"executor": "KUBERNETES", "clusterId": hybrid}), None),
            (json!({"executor": "ASTRO", "clusterId": dedicated, "remoteExecution": {"enabled": true}}), None),
        ] {
            let mut body = json!({"name": "x", "workspaceId": world.workspace});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let made = create(&world, body).await;
            assert_eq!(made.get("workerQueues"), expected.as_ref(), "{more}");
            assert_eq!(world.get(&one(&world, &made)).await.expect(200), made);
        }
    }

    /// A change to KUBERNETES leaves the queues behind, unless it names some.
    async fn queues_end_with_their_executor(world) {
        let queue = json!({
            "name": "default", "isDefault": true, "maxWorkerCount": 1, "minWorkerCount": 0, "workerConcurrency": 1,
            "astroMachine": "A5",
        });
        let mut body = update(&world, json!([]));
        body["workerQueues"] = json!([queue]);
        let made = create(&world, body.clone()).await;
        let path = one(&world, &made);
        let without = update(&world, json!([]));
        let kept = world.post(&path, without.clone()).await.expect(200);
        assert_eq!(kept["workerQueues"], made["workerQueues"]);

        body["executor"] = json!("KUBERNETES");
        let named = world.post(&path, body).await.expect(200);
        assert_eq!(named["workerQueues"], made["workerQueues"]);
        let mut kubernetes = without.clone();
        kubernetes["executor"] = json!("KUBERNETES");
        assert_eq!(world.post(&path, kubernetes).await.expect(200).get("workerQueues"), None);
        assert_eq!(world.post(&path, without).await.expect(200)["workerQueues"], json!([]), "they do not come back");
    }

    /// A queue that is sent back without its id is the one of its name.
    async fn queues_keep_their_ids(world) {
        let queue = |name: &str| json!({
            "name": name, "isDefault": name == "a", "maxWorkerCount": 1, "minWorkerCount": 0, "workerConcurrency": 1,
            "astroMachine": "A5",
        });
        let mut body = json!({
            "name": "x", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false,
            "schedulerSize": "SMALL", "environmentVariables": [], "workerQueues": [queue("a"), queue("b")],
        });
        let made = create(&world, body.clone()).await;
        let id_of = |answer: &Value, name: &str| -> String {
            let queues = answer["workerQueues"].as_array().expect("queues").iter();
            let mut ids = queues.filter(|queue| queue["name"] == name).map(|queue| queue["id"].as_str().expect("an id"));
            ids.next().expect("the queue").to_owned()
        };
        assert_ne!(id_of(&made, "a"), id_of(&made, "b"));
        body["workerQueues"] = json!([queue("c"), queue("a")]);
        let changed = world.post(&one(&world, &made), body.clone()).await.expect(200);
        assert_eq!(id_of(&changed, "a"), id_of(&made, "a"));
        assert!(![id_of(&made, "a"), id_of(&made, "b")].contains(&id_of(&changed, "c")));
        let mut renamed = queue("z");
        renamed["id"] = json!(id_of(&made, "a"));
        body["workerQueues"] = json!([renamed]);
        let changed = world.post(&one(&world, &made), body).await.expect(200);
        assert_eq!(id_of(&changed, "z"), id_of(&made, "a"));
    }

    /// What was fixed when it was made cannot be changed, and what an update must have is named.
    async fn bad_updates_name_the_field(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let made = create(&world, json!({"name": "x", "workspaceId": world.workspace})).await;
        let good = json!({
            "name": "x", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false,
            "schedulerSize": "SMALL", "environmentVariables": [],
        });
        let before = world.dump().await;
        let absent = ["name", "workspaceId", "type", "executor", "isCicdEnforced", "isDagDeployEnabled",
            "isHighAvailability", "schedulerSize", "environmentVariables"].map(|field| (field, Value::Null, field));
        for (key, wrong, field) in absent.into_iter().chain([
            ("workspaceId", json!(elsewhere), "workspaceId"),
            ("workspaceId", json!("cnowhere"), "workspaceId"),
            ("type", json!("DEDICATED"), "type"),
            ("type", json!("OTHER"), "type"),
            ("executor", json!("SEQUENTIAL"), "executor"),
        ]) {
            let mut body = good.clone();
            body[key] = wrong;
            let answer = world.post(&one(&world, &made), body.clone()).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.json);
            assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
        world.post(&one(&world, &made), good).await.expect(200);
    }

    /// Faults deep inside are named by their path, in the words of the API.
    async fn bad_requests_name_the_field(world) {
        let queue = json!({
            "name": "a", "isDefault": true, "maxWorkerCount": 1, "minWorkerCount": 0, "workerConcurrency": 1,
        });
        let with = |mut like: Value, key: &str, value: Value| {
            like[key] = value;
            like
        };
        let variable = json!({"key": "A", "value": "x", "isSecret": false});
        let schedule = json!({"hibernateAtCron": "0 0 * * *", "wakeAtCron": "0 0 * * *", "isEnabled": true});
        let spec = |key: &str, value: Value| json!({"hibernationSpec": {key: value}});
        let before = world.dump().await;
        for (key, wrong, field) in [
            ("name", json!(""), "name"),
            ("name", json!("x".repeat(501)), "name"),
            ("name", json!("a\u{1b}[31m"), "name"),
            ("workspaceId", Value::Null, "workspaceId"),
            ("workspaceId", json!(7), "workspaceId"),
            ("type", json!("OTHER"), "type"),
            ("description", json!("x".repeat(1001)), "description"),
            ("cloudProvider", json!("MOON"), "cloudProvider"),
            ("isCicdEnforced", json!("yes"), "isCicdEnforced"),
            ("contactEmails", json!("a@b"), "contactEmails"),
            ("contactEmails", json!([7]), "contactEmails[0]"),
            ("schedulerSize", json!("HUGE"), "schedulerSize"),
            ("workerQueues", json!([]), "workerQueues"),
            ("workerQueues", json!([queue, with(queue.clone(), "name", json!(""))]), "workerQueues[1].name"),
            ("workerQueues", json!([with(queue.clone(), "maxWorkerCount", json!(0))]), "workerQueues[0].maxWorkerCount"),
            ("workerQueues", json!([with(queue.clone(), "minWorkerCount", json!(-1))]), "workerQueues[0].minWorkerCount"),
            ("workerQueues", json!([with(queue.clone(), "workerConcurrency", Value::Null)]), "workerQueues[0].workerConcurrency"),
            ("workerQueues", json!([with(queue.clone(), "astroMachine", json!("Z80"))]), "workerQueues[0].astroMachine"),
            ("workerQueues", json!([{"name": "a"}]), "workerQueues[0].isDefault"),
            ("environmentVariables", json!([variable, variable]), "environmentVariables[1].key"),
            ("environmentVariables", json!([with(variable.clone(), "key", json!(""))]), "environmentVariables[0].key"),
            ("environmentVariables", json!([with(variable.clone(), "value", json!("a\u{0}"))]), "environmentVariables[0].value"),
            ("environmentVariables", json!([{"key": "A"}]), "environmentVariables[0].isSecret"),
            ("remoteExecution", json!({}), "remoteExecution.enabled"),
            ("remoteExecution", json!({"enabled": true, "allowedIpAddressRanges": ["10.0.0.0/8", "10.0.0.0/33"]}),
                "remoteExecution.allowedIpAddressRanges"),
            ("scheduler", json!({"au": 4}), "scheduler.au"),
            ("scheduler", json!({"replicas": 5}), "scheduler.replicas"),
            ("scalingSpec", spec("schedules", json!([with(schedule.clone(), "wakeAtCron", json!(""))])),
                "scalingSpec.hibernationSpec.schedules[0].wakeAtCron"),
            ("scalingSpec", spec("schedules", json!(vec![schedule.clone(); 11])), "scalingSpec.hibernationSpec.schedules"),
            ("scalingSpec", spec("override", json!({"overrideUntil": "\u{0}"})),
                "scalingSpec.hibernationSpec.override.overrideUntil"),
            ("scalingSpec", spec("override", json!({"overrideUntil": "tomorrow"})),
                "scalingSpec.hibernationSpec.override.overrideUntil"),
        ] {
            let body = with(json!({"name": "x", "workspaceId": world.workspace}), key, wrong);
            let answer = world.post(&world.path("/deployments"), body.clone()).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.json);
            answer.assert_envelope();
            assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
    }
}

/// What an update must have, with these environment variables.
fn update(world: &World, variables: Value) -> Value {
    json!({
        "name": "x", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
        "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false,
        "schedulerSize": "SMALL", "environmentVariables": variables,
    })
}

/// Everything that is kept, as bytes: all tables, the audit log, and on SQLite all files.
async fn everything(world: &World) -> Vec<Vec<u8>> {
    let mut places = vec![world.dump().await.into_bytes(), format!("{:?}", world.audit_log().await).into_bytes()];
    if let Database::Sqlite(folder) = &world.database {
        for file in folder.path().read_dir().expect("the folder") {
            places.push(std::fs::read(file.expect("a file").path()).expect("its bytes"));
        }
    }
    places
}

/// Whether the text is among the bytes, as it is or in hexadecimal.
fn holds(places: &[Vec<u8>], text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let found = |needle: &[u8]| places.iter().any(|place| place.windows(needle.len()).any(|window| window == needle));
    found(text.as_bytes()) || found(hex.as_bytes())
}

on_both! {
    /// A secret value is in no answer, and its bytes are not in the database; a plain one is in
    /// both.
    async fn secret_variables_are_never_answered(world) {
        let variables = json!([
            {"key": "SECRET", "value": "open-sesame-1001", "isSecret": true},
            {"key": "PLAIN", "value": "hello-everybody-1", "isSecret": false},
            {"key": "BARE", "isSecret": true},
        ]);
        let made = create(&world, update(&world, variables)).await;
        let at = "2026-01-01T00:00:00Z";
        assert_eq!(made["environmentVariables"], json!([
            {"key": "SECRET", "isSecret": true, "updatedAt": at},
            {"key": "PLAIN", "value": "hello-everybody-1", "isSecret": false, "updatedAt": at},
            {"key": "BARE", "isSecret": true, "updatedAt": at},
        ]));
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), made);
        let page = world.get(&world.path("/deployments")).await;
        assert!(!page.json.to_string().contains("open-sesame-1001"));
        let places = everything(&world).await;
        assert!(holds(&places, "hello-everybody-1"), "this test looks in the wrong places");
        assert!(!holds(&places, "open-sesame-1001"));
    }

    /// A secret that comes back without a value keeps the one it has, and its time; another value
    /// replaces it. What is kept is the value itself: it changes only when the value does.
    async fn a_secret_without_a_value_keeps_the_one_it_has(world) {
        let with = |value: Value| json!([{"key": "SECRET", "value": value, "isSecret": true}]);
        let made = create(&world, update(&world, with(json!("open-sesame-1002")))).await;
        let path = one(&world, &made);
        let kept = world.database.dump("deployment_variables").await;
        for (same, what) in [(Value::Null, "no value"), (json!("open-sesame-1002"), "the same value")] {
            world.clock.advance(1);
            let changed = world.post(&path, update(&world, with(same))).await.expect(200);
            assert_eq!(changed["environmentVariables"], made["environmentVariables"], "{what}");
            assert_eq!(world.database.dump("deployment_variables").await, kept, "{what}");
        }
        world.clock.advance(1);
        let changed = world.post(&path, update(&world, with(json!("open-sesame-1003")))).await.expect(200);
        assert_eq!(changed["environmentVariables"][0]["updatedAt"], "2026-01-01T00:00:03Z");
        assert_ne!(world.database.dump("deployment_variables").await, kept);
        let places = everything(&world).await;
        assert!(!holds(&places, "open-sesame-1002") && !holds(&places, "open-sesame-1003"));
    }

    /// A secret that is set again, to what it is or to something else, no longer depends on an older
    /// master key; and can be set also when that is gone.
    async fn a_secret_that_is_set_again_has_the_new_master_key(world) {
        let with = |value: Value| json!([{"key": "SECRET", "value": value, "isSecret": true}]);
        let made = create(&world, update(&world, with(json!("open-sesame-1006")))).await;
        let lost = create(&world, update(&world, with(json!("open-sesame-1007")))).await;
        let kept = async |world: &World, of: &Value| {
            let dump = world.database.dump("deployment_variables").await;
            let id = of["id"].as_str().expect("an id");
            let line = dump.lines().find(|line| line.contains(id)).expect("a line").to_owned();
            (line.contains("ktest"), line.contains("knew"))
        };
        let new = "knew:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
        let world = world.restarted_under(&format!("{new}\n{MASTER_KEY}")).await;
        let path = one(&world, &made);
        world.clock.advance(1);
        world.post(&path, update(&world, with(Value::Null))).await.expect(200);
        assert_eq!(kept(&world, &made).await, (true, false), "it was not set");
        let changed = world.post(&path, update(&world, with(json!("open-sesame-1006")))).await.expect(200);
        assert_eq!(kept(&world, &made).await, (false, true));
        assert_eq!(changed["environmentVariables"], made["environmentVariables"], "the value is the same, and its time");

        let world = world.restarted_under(new).await;
        let again = world.database.dump("deployment_variables").await;
        world.post(&path, update(&world, with(json!("open-sesame-1006")))).await.expect(200);
        assert_eq!(world.database.dump("deployment_variables").await, again, "the value opens, and is the same");
        assert_eq!(kept(&world, &lost).await, (true, false));
        let changed = world.post(&one(&world, &lost), update(&world, with(json!("open-sesame-1007")))).await.expect(200);
        assert_eq!(changed["environmentVariables"][0]["updatedAt"], "2026-01-01T00:00:01Z", "nobody knows what it was");
        assert_eq!(kept(&world, &lost).await, (false, true));
    }

    /// The variables given are all that there are, in their order; each keeps the time of its value.
    async fn variables_are_replaced(world) {
        let plain = |key: &str, value: &str| json!({"key": key, "value": value, "isSecret": false});
        let made = create(&world, update(&world, json!([plain("A", "1"), plain("B", "2"), plain("C", "3")]))).await;
        world.clock.advance(1);
        let variables = json!([plain("C", "3"), plain("D", "4"), plain("A", "5")]);
        let changed = world.post(&one(&world, &made), update(&world, variables)).await.expect(200);
        assert_eq!(changed["environmentVariables"], json!([
            {"key": "C", "value": "3", "isSecret": false, "updatedAt": "2026-01-01T00:00:00Z"},
            {"key": "D", "value": "4", "isSecret": false, "updatedAt": "2026-01-01T00:00:01Z"},
            {"key": "A", "value": "5", "isSecret": false, "updatedAt": "2026-01-01T00:00:01Z"},
        ]));
    }

    /// A secret does not come to light by being called plain.
    async fn a_secret_cannot_be_made_plain(world) {
        let secret = json!([{"key": "SECRET", "value": "open-sesame-1004", "isSecret": true}]);
        let made = create(&world, update(&world, secret)).await;
        let plain = json!([{"key": "SECRET", "isSecret": false}]);
        let answer = world.post(&one(&world, &made), update(&world, plain)).await;
        assert!(!answer.json.to_string().contains("open-sesame"), "{}", answer.json);
        let page = world.get(&world.path("/deployments")).await;
        assert!(!page.json.to_string().contains("open-sesame"), "{}", page.json);
    }

    /// What was plain and becomes secret is not answered any more.
    async fn a_plain_variable_can_be_made_secret(world) {
        let plain = json!([{"key": "A", "value": "was-visible-1005", "isSecret": false}]);
        let made = create(&world, update(&world, plain)).await;
        let secret = json!([{"key": "A", "isSecret": true}]);
        let changed = world.post(&one(&world, &made), update(&world, secret)).await.expect(200);
        assert!(changed["environmentVariables"][0].get("value").is_none());
        assert!(!world.dump().await.contains("was-visible-1005"));
    }
}

on_both! {
    /// Filters narrow by id, name and Workspace, each of which may be given several times; unknown
    /// ones narrow to nothing.
    async fn filters_narrow_the_list(world) {
        let workspace = world.workspace.to_string();
        let elsewhere = world.new_workspace("elsewhere").await;
        let mut ids = Vec::new();
        for (name, home) in [("a", &workspace), ("b", &workspace), ("a", &elsewhere), ("ä ö", &elsewhere)] {
            world.clock.advance(1);
            let made = create(&world, json!({"name": name, "workspaceId": home})).await;
            ids.push(made["id"].as_str().expect("an id").to_owned());
        }
        let first = world.deployment.to_string();
        for (query, expected) in [
            (String::new(), &["ä ö", "a", "b", "a", "First deployment"][..]),
            ("sorts=name:asc".into(), &["First deployment", "a", "a", "b", "ä ö"]),
            ("sorts=name:desc&sorts=createdAt:asc&limit=3".into(), &["ä ö", "b", "a"]),
            ("sorts=updatedAt:asc&offset=3&limit=1".into(), &["a"]),
            (format!("deploymentIds={first}"), &["First deployment"]),
            (format!("deploymentIds={first}&deploymentIds={}", ids[1]), &["b", "First deployment"]),
            ("names=a".into(), &["a", "a"]),
            ("names=a&names=b".into(), &["a", "b", "a"]),
            ("names=%C3%A4%20%C3%B6".into(), &["ä ö"]),
            (format!("workspaceIds={elsewhere}"), &["ä ö", "a"]),
            (format!("workspaceIds={elsewhere}&names=a"), &["a"]),
            (format!("workspaceIds={elsewhere}&workspaceIds={workspace}&names=b"), &["b"]),
            ("workspaceIds=cnowhere".into(), &[]),
            ("deploymentIds=cnowhere".into(), &[]),
            ("deploymentIds=%27%20OR%201=1".into(), &[]),
            ("names=nobody".into(), &[]),
            ("names=&workspaceIds=&deploymentIds=&limit=&offset=&sorts=".into(), &["ä ö", "a", "b", "a", "First deployment"]),
            ("limit=4294967295&offset=4294967295".into(), &[]),
            ("limit=0".into(), &[]),
        ] {
            let page = world.get(&world.path(&format!("/deployments?{query}"))).await.expect(200);
            assert_eq!(names(&page), expected, "{query}");
            if !query.contains("limit=") {
                assert_eq!(page["totalCount"], expected.len(), "{query}");
            }
        }
        let page = world.get(&world.path("/deployments?limit=2&offset=1&names=a&names=b")).await.expect(200);
        assert_eq!((&page["limit"], &page["offset"], &page["totalCount"]), (&json!(2), &json!(1), &json!(3)));
    }

    /// A Deployment that the caller may not see is not there, for any operation, and not counted.
    async fn a_hidden_deployment_is_not_there(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let hidden = world.new_deployment(&elsewhere, true).await;
        let keeper = json!({"name": "Keeper", "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"]});
        world.post(&world.path("/roles"), keeper).await.expect(200);
        let callers = [
            world.workspace_token("WORKSPACE_OWNER").await.1,
            world.workspace_token("WORKSPACE_MEMBER").await.1,
            world.deployment_token("DEPLOYMENT_ADMIN").await.1,
            world.deployment_token("Keeper").await.1,
        ];
        let before = world.dump().await;
        for caller in &callers {
            let page = world.call(Some(caller), "GET", &world.path("/deployments"), &Value::Null).await.expect(200);
            assert_eq!((names(&page), &page["totalCount"]), (vec!["First deployment"], &json!(1)));
            let page = world.path(&format!("/deployments?deploymentIds={hidden}&workspaceIds={elsewhere}"));
            let page = world.call(Some(caller), "GET", &page, &Value::Null).await.expect(200);
            assert_eq!(page["totalCount"], 0);
            for id in [hidden.as_str(), "cnowhere"] {
                let path = world.path(&format!("/deployments/{id}"));
                for (method, body) in
                    [("GET", Value::Null), ("DELETE", Value::Null), ("POST", update(&world, json!([])))]
                {
                    let answer = world.call(Some(caller), method, &path, &body).await;
                    assert_eq!(answer.message(), "Deployment not found");
                    answer.expect(404);
                }
            }
            for id in [elsewhere.as_str(), "cnowhere"] {
                let body = json!({"name": "x", "workspaceId": id});
                let answer = world.call(Some(caller), "POST", &world.path("/deployments"), &body).await;
                assert_eq!(answer.message(), "Workspace not found");
                answer.expect(404);
            }
        }
        assert_eq!(world.dump().await, before);
    }

    /// Deleting a Deployment deletes the tokens below it, with its roles on other tokens; the
    /// holders are told.
    async fn delete_takes_its_tokens_along(world) {
        let doomed = world.new_deployment(&world.workspace.to_string(), true).await;
        let body = json!({"name": "x", "scope": "DEPLOYMENT", "entityId": doomed, "role": "DEPLOYMENT_ADMIN"});
        let (token, value) = world.api_token(body).await;
        let agents = world.path(&format!("/deployments/{doomed}/agent-tokens"));
        let agent = world.post(&agents, json!({"name": "x"})).await.expect(200);
        let (member, member_value) = world.workspace_token("WORKSPACE_MEMBER").await;
        let roles = json!({"roles": [
            {"role": "WORKSPACE_MEMBER", "entityType": "WORKSPACE", "entityId": world.workspace},
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": doomed},
            {"role": "DAG_VIEWER", "entityType": "DAG", "entityId": "etl", "deploymentId": doomed},
        ]});
        world.post(&world.path(&format!("/tokens/{member}/roles")), roles).await.expect(200);
        let spared = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        let present = async |value: &str| -> Answer { world.call(Some(value), "GET", "/v1/organizations", &Value::Null).await };
        for value in [&value, &spared, &member_value] {
            present(value).await.expect(200);
        }

        world.clock.advance(90);
        let path = world.path(&format!("/deployments/{doomed}"));
        let deleted = world.delete(&path).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        for answer in [world.get(&path).await, world.delete(&path).await, world.get(&agents).await] {
            assert_eq!(answer.message(), "Deployment not found");
            answer.expect(404);
        }
        let refused = present(&value).await;
        assert_eq!(refused.message(), format!("the API token {token} was deleted at 2026-01-01T00:01:30Z"));
        refused.expect(401);
        let refused = present(agent["token"].as_str().expect("a value")).await;
        assert!(refused.message().ends_with("was deleted at 2026-01-01T00:01:30Z"), "{}", refused.message());
        refused.expect(401);
        world.get(&world.path(&format!("/tokens/{token}"))).await.expect(404);

        present(&spared).await.expect(200);
        present(&member_value).await.expect(200);
        let shown = world.get(&world.path(&format!("/tokens/{member}"))).await.expect(200);
        assert_eq!(shown["roles"].as_array().map(Vec::len), Some(1), "{shown}");
        assert_eq!(world.database.dump("deployment_variables").await, "");
    }

    /// A token that is made while its Deployment is deleted goes with it, or is not made at all:
    /// none outlives its Deployment.
    async fn no_token_outlives_its_deployment(world) {
        let world = Arc::new(world);
        for _ in 0..8 {
            let doomed = world.new_deployment(&world.workspace.to_string(), true).await;
            let api = json!({"name": "x", "scope": "DEPLOYMENT", "entityId": doomed, "role": "DEPLOYMENT_ADMIN"});
            let path = world.path(&format!("/deployments/{doomed}"));
            let mut calls = JoinSet::new();
            for n in 0..12 {
                let (world, path, api) = (Arc::clone(&world), path.clone(), api.clone());
                calls.spawn(async move {
                    match n {
                        4 => world.delete(&path).await,
                        n if n % 2 == 0 => world.post(&format!("{path}/agent-tokens"), json!({"name": "x"})).await,
                        _ => world.post(&world.path("/tokens"), api).await,
                    }
                });
            }
            for answer in calls.join_all().await {
                assert!([200, 204, 400, 404].contains(&answer.status), "{}", answer.json);
                if let Some(value) = answer.json["token"].as_str() {
                    let after = world.call(Some(value), "GET", "/v1/organizations", &Value::Null).await;
                    assert!(after.message().contains("was deleted at"), "{} {}", after.status, after.json);
                }
            }
            assert_eq!(world.get(&world.path("/tokens")).await.expect(200)["totalCount"], 1);
        }
    }

    /// Who may see, but not change, is told which permission is lacking.
    async fn seeing_is_not_changing(world) {
        let member = world.workspace_token("WORKSPACE_MEMBER").await.1;
        let path = world.path(&format!("/deployments/{}", world.deployment));
        world.call(Some(&member), "GET", &path, &Value::Null).await.expect(200);
        for (method, path, body, message) in [
            ("POST", path.clone(), update(&world, json!([])), "deployment.update on this Deployment"),
            ("DELETE", path, Value::Null, "deployment.delete on this Deployment"),
            ("POST", world.path("/deployments"), json!({"name": "x", "workspaceId": world.workspace}),
                "workspace.deployments.create on this Workspace"),
        ] {
            let answer = world.call(Some(&member), method, &path, &body).await;
            assert_eq!(answer.message(), format!("WORKSPACE_MEMBER lacks the permission {message}"));
            answer.expect(403);
        }
        let operator = world.workspace_token("WORKSPACE_OPERATOR").await.1;
        let body = json!({"name": "x", "workspaceId": world.workspace});
        let made = world.call(Some(&operator), "POST", &world.path("/deployments"), &body).await.expect(200);
        world.call(Some(&operator), "DELETE", &one(&world, &made), &Value::Null).await.expect(204);
    }
}
