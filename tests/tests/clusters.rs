//! `/v1/organizations/{organizationId}/clusters`

use std::sync::Arc;

use airlock_tests::{World, on_both};
use serde_json::{Value, json};

/// A new cluster, as it was answered.
async fn create(world: &World, body: Value) -> Value {
    world.post(&world.path("/clusters"), body).await.expect(200)
}

/// The path of one cluster.
fn one(world: &World, cluster: &Value) -> String {
    world.path(&format!("/clusters/{}", cluster["id"].as_str().expect("an id")))
}

/// The names on a page, in its order.
fn names(page: &Value) -> Vec<&str> {
    page["clusters"].as_array().expect("clusters").iter().map(|one| one["name"].as_str().expect("a name")).collect()
}

/// A body with other values for some of its fields; null takes one away.
fn with<const N: usize>(mut body: Value, changes: [(&str, Value); N]) -> Value {
    for (key, value) in changes {
        body[key] = value;
    }
    body.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    body
}

/// What a cluster needs at least.
fn least(name: &str) -> Value {
    json!({
        "name": name, "type": "DEDICATED", "cloudProvider": "AWS", "region": "eu-central-1",
        "vpcSubnetRange": "172.20.0.0/20",
    })
}

/// What an update needs at least.
fn update(name: &str) -> Value {
    json!({"clusterType": "DEDICATED", "name": name, "k8sTags": []})
}

/// Of a cloud, everything that its clusters can be asked for.
fn everything(world: &World, cloud: &str) -> Value {
    let mut body = with(
        least("everything ü"),
        [
            ("cloudProvider", json!(cloud)),
            ("dbInstanceType", json!("db.r5.xlarge")),
            ("drRegion", json!("eu-west-1")),
            ("drVpcSubnetRange", json!("172.21.0.0/20")),
            ("enableReplicationTimeControl", json!(true)),
            ("k8sTags", json!([{"key": "team", "value": "data"}, {"key": "bare"}])),
            ("providerAccount", json!("123456789012")),
            ("workspaceIds", json!([world.workspace])),
            (
                "nodePools",
                json!([
                    {"name": "default", "isDefault": true, "maxNodeCount": 20, "nodeInstanceType": "m5.xlarge"},
                    {"name": "big", "maxNodeCount": 0, "nodeInstanceType": "m5.8xlarge"},
                ]),
            ),
        ],
    );
    let own = match cloud {
        "AWS" => json!({
            "drSecondaryVpcCidr": "100.65.0.0/16", "isPrivateNetworkEgressEnabled": true, "secondaryVpcCidr": "100.64.0.0/16",
        }),
        "AZURE" => json!({"tenantId": "tenant-1"}),
        _ => json!({
            "podSubnetRange": "172.22.0.0/19", "servicePeeringRange": "172.23.0.0/20", "serviceSubnetRange": "172.24.0.0/22",
            "drPodSubnetRange": "172.25.0.0/19", "drServicePeeringRange": "172.26.0.0/20",
            "drServiceSubnetRange": "172.27.0.0/22",
        }),
    };
    body.as_object_mut().expect("an object").extend(own.as_object().expect("an object").clone());
    body
}

on_both! {
    /// Each cloud's cluster answers with every configured value as it was sent, is CREATED at once,
    /// and is the same on every later answer.
    async fn a_cluster_echoes_what_was_sent(world) {
        for cloud in ["AWS", "AZURE", "GCP"] {
            let sent = everything(&world, cloud);
            let made = create(&world, sent.clone()).await;
            for (key, value) in sent.as_object().expect("an object") {
                match key.as_str() {
                    "k8sTags" => assert_eq!(made["tags"], *value),
                    "nodePools" => {}
                    key => assert_eq!(made[key], *value, "{cloud} {key}"),
                }
            }
            assert_eq!(made["organizationId"], json!(world.organization));
            assert_eq!((&made["status"], &made["isDrEnabled"]), (&json!("CREATED"), &json!(true)));
            assert_eq!(made["healthStatus"], json!({"value": "UNKNOWN", "details": []}), "no Deployment is in it");
            let at = "2026-01-01T00:00:00Z";
            let pools = made["nodePools"].as_array().expect("node pools");
            for (pool, name, is_default, most) in [(&pools[0], "default", true, 20), (&pools[1], "big", false, 0)] {
                assert_eq!(*pool, json!({
                    "id": pool["id"], "name": name, "clusterId": made["id"], "cloudProvider": cloud,
                    "isDefault": is_default, "maxNodeCount": most, "nodeInstanceType": pool["nodeInstanceType"],
                    "createdAt": at, "updatedAt": at,
                }));
            }
            assert_ne!(pools[0]["id"], pools[1]["id"]);
            assert_eq!(world.get(&one(&world, &made)).await.expect(200), made);
        }
    }

    /// What stock clients look at without asking is there; what belongs to another cloud is not kept.
    async fn the_least_that_a_cluster_needs(world) {
        let foreign = [("tenantId", json!("t")), ("podSubnetRange", json!("10.0.0.0/8")), ("isFailedOver", json!(true))];
        let made = create(&world, with(least("x"), foreign)).await;
        for (key, value) in [
            ("dbInstanceType", json!("")), ("drRegion", json!("")), ("isDrEnabled", json!(false)), ("nodePools", json!([])),
            ("tags", json!([])), ("workspaceIds", json!([])), ("isFailedOver", json!(false)),
            ("metadata", json!({"externalIPs": []})),
        ] {
            assert_eq!(made[key], value, "{key}");
        }
        for absent in ["tenantId", "podSubnetRange", "providerAccount"] {
            assert!(made.get(absent).is_none(), "{absent}");
        }
        assert_eq!(create(&world, with(least("x"), [("type", json!("HYBRID"))])).await["type"], "HYBRID");
    }

    /// What is wrong is refused by name, and nothing is made.
    async fn bad_requests_name_the_field(world) {
        let gcp = |field: &str| with(everything(&world, "GCP"), [(field, Value::Null)]);
        let pool = json!({"name": "a", "maxNodeCount": 1, "nodeInstanceType": "m5"});
        let before = world.dump().await;
        let absent = ["name", "type", "cloudProvider", "region", "vpcSubnetRange"]
            .map(|field| (with(least("x"), [(field, Value::Null)]), field));
        let absent_gcp = ["podSubnetRange", "servicePeeringRange", "serviceSubnetRange"].map(|field| (gcp(field), field));
        let wrong = [
            ("name", json!(""), "name"),
            ("name", json!("x".repeat(257)), "name"),
            ("name", json!("a\u{1b}[31m"), "name"),
            ("type", json!("STANDARD"), "type"),
            ("cloudProvider", json!("MOON"), "cloudProvider"),
            ("region", json!(""), "region"),
            ("vpcSubnetRange", json!(""), "vpcSubnetRange"),
            ("vpcSubnetRange", json!("172.20.0.0"), "vpcSubnetRange"),
            ("drVpcSubnetRange", json!("172.20.0.0/33"), "drVpcSubnetRange"),
            ("k8sTags", json!([{"key": "x".repeat(257)}]), "k8sTags[0].key"),
            ("nodePools", json!([{"name": "a"}]), "nodePools[0].maxNodeCount"),
            ("nodePools", json!([with(pool.clone(), [("maxNodeCount", json!(-1))])]), "nodePools[0].maxNodeCount"),
            ("nodePools", json!([with(pool.clone(), [("name", json!(""))])]), "nodePools[0].name"),
            ("nodePools", json!([pool, pool]), "nodePools[1].name"),
            ("workspaceIds", json!([world.workspace, "cnowhere"]), "workspaceIds[1]"),
            ("workspaceIds", json!("x"), "workspaceIds"),
        ]
        .map(|(key, value, field)| (with(least("x"), [(key, value)]), field));
        for (body, field) in absent.into_iter().chain(absent_gcp).chain(wrong) {
            let answer = world.post(&world.path("/clusters"), body.clone()).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.json);
            answer.assert_envelope();
            assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
    }

    /// An update keeps what it leaves out, replaces what it names, and cannot reach what is fixed.
    async fn an_update_keeps_what_it_leaves_out(world) {
        let made = create(&world, everything(&world, "AWS")).await;
        world.clock.advance(1);
        let least = with(update("renamed"), [("k8sTags", made["tags"].clone()), ("region", json!("us-east-1"))]);
        let changed = world.post(&one(&world, &made), least).await.expect(200);
        let expected = with(made.clone(), [("name", json!("renamed")), ("updatedAt", json!("2026-01-01T00:00:01Z"))]);
        assert_eq!(changed, expected);

        let changes = [
            ("dbInstanceType", json!("db.m6g.large")), ("drRegion", json!("eu-west-2")), ("isFailedOver", json!(true)),
            ("enableReplicationTimeControl", json!(false)), ("isPrivateNetworkEgressEnabled", json!(false)),
            ("workspaceIds", json!([])), ("nodePools", json!([])),
        ];
        let changed = world.post(&one(&world, &made), with(update("renamed"), changes.clone())).await.expect(200);
        for (key, value) in changes {
            assert_eq!(changed[key], value, "{key}");
        }
        assert_eq!(changed["tags"], json!([]));
        let off = with(update("renamed"), [("enableDr", json!(false)), ("isFailedOver", json!(false))]);
        let changed = world.post(&one(&world, &made), off).await.expect(200);
        assert_eq!((&changed["isDrEnabled"], &changed["isFailedOver"]), (&json!(false), &json!(false)));
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), changed);
    }

    /// A HYBRID cluster is told its Workspaces, and nothing else: as the Terraform provider does.
    async fn a_hybrid_cluster_is_told_its_workspaces(world) {
        let made = create(&world, with(least("hybrid"), [("type", json!("HYBRID"))])).await;
        let told = |workspaces: Value| json!({"clusterType": "HYBRID", "workspaceIds": workspaces, "name": "ignored"});
        let changed = world.post(&one(&world, &made), told(json!([world.workspace]))).await.expect(200);
        assert_eq!((&changed["workspaceIds"], &changed["name"]), (&json!([world.workspace]), &json!("hybrid")));
        let changed = world.post(&one(&world, &made), told(json!([]))).await.expect(200);
        assert_eq!(changed["workspaceIds"], json!([]));
    }

    /// A node pool that comes back by its id or its name is the same one.
    async fn node_pools_keep_their_ids(world) {
        let made = create(&world, everything(&world, "AWS")).await;
        world.clock.advance(1);
        let (first, second) = (made["nodePools"][0].clone(), made["nodePools"][1].clone());
        let pool = |id: Value, name: &str, most: u32| {
            with(json!({"name": name, "maxNodeCount": most, "nodeInstanceType": "m5.xlarge"}), [("id", id)])
        };
        let asked = [
            pool(Value::Null, "new", 1), pool(first["id"].clone(), "renamed", 20), pool(Value::Null, "big", 0),
        ];
        let changed = world.post(&one(&world, &made), with(update("x"), [("nodePools", json!(asked))])).await.expect(200);
        let pools = changed["nodePools"].as_array().expect("node pools");
        assert!(![&first["id"], &second["id"]].contains(&&pools[0]["id"]));
        let later = json!("2026-01-01T00:00:01Z");
        assert_eq!(pools[1], with(first.clone(), [("name", json!("renamed")), ("updatedAt", later.clone())]));
        assert_eq!(pools[2], with(second, [("nodeInstanceType", json!("m5.xlarge")), ("updatedAt", later.clone())]));

        world.clock.advance(1);
        let same = [pool(first["id"].clone(), "renamed", 20)];
        let again = world.post(&one(&world, &made), with(update("x"), [("nodePools", json!(same))])).await.expect(200);
        assert_eq!(again["nodePools"], json!([pools[1]]), "what did not change keeps its time");
        for (asked, field) in [
            (json!([pool(json!("cnowhere"), "a", 1)]), "nodePools[0].id"),
            (json!([pool(first["id"].clone(), "a", 1), pool(first["id"].clone(), "b", 1)]), "nodePools[1].id"),
        ] {
            let answer = world.post(&one(&world, &made), with(update("x"), [("nodePools", asked)])).await;
            assert_eq!(answer.fields(), [field], "{}", answer.json);
            answer.expect(400);
        }
    }

    /// What an update must have is named, and a second region takes over only where there is one.
    async fn bad_updates_name_the_field(world) {
        let made = create(&world, least("x")).await;
        let hybrid = create(&world, with(least("h"), [("type", json!("HYBRID"))])).await;
        let before = world.dump().await;
        for (cluster, body, field) in [
            (&made, with(update("x"), [("name", Value::Null)]), "name"),
            (&made, with(update("x"), [("k8sTags", Value::Null)]), "k8sTags"),
            (&made, json!({"clusterType": "HYBRID"}), "clusterType"),
            (&made, with(update("x"), [("clusterType", json!("OTHER"))]), "clusterType"),
            (&hybrid, update("x"), "clusterType"),
            (&hybrid, with(update("x"), [("clusterType", Value::Null)]), "clusterType"),
            (&made, with(update("x"), [("enableDr", json!(true))]), "drRegion"),
            (&made, with(update("x"), [("drRegion", json!("")), ("enableDr", json!(true))]), "drRegion"),
            (&made, with(update("x"), [("workspaceIds", json!(["cnowhere"]))]), "workspaceIds[0]"),
        ] {
            let answer = world.post(&one(&world, cluster), body.clone()).await;
            assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
            answer.expect(400);
        }
        let answer = world.post(&one(&world, &made), with(update("x"), [("isFailedOver", json!(true))])).await;
        assert!(answer.message().starts_with("isFailedOver: "), "{}", answer.json);
        answer.expect(412);
        assert_eq!(world.dump().await, before);
        let untyped = with(update("y"), [("clusterType", Value::Null)]);
        assert_eq!(world.post(&one(&world, &made), untyped).await.expect(200)["name"], "y");
    }

    /// Filters narrow by name and cloud, in any order; an empty value is as none.
    async fn filters_narrow_the_list(world) {
        for (name, cloud) in [("a", "AWS"), ("b", "AZURE"), ("ä ö", "AWS"), ("a", "GCP")] {
            world.clock.advance(1);
            create(&world, with(everything(&world, cloud), [("name", json!(name))])).await;
        }
        for (query, expected) in [
            ("", &["a", "ä ö", "b", "a"][..]),
            ("provider=&names=&limit=&offset=&sorts=", &["a", "ä ö", "b", "a"]),
            ("sorts=name:asc", &["a", "a", "b", "ä ö"]),
            ("sorts=name:desc&sorts=createdAt:asc", &["ä ö", "b", "a", "a"]),
            ("sorts=createdAt:asc&limit=2", &["a", "b"]),
            ("sorts=updatedAt:asc&offset=3", &["a"]),
            ("provider=AWS", &["ä ö", "a"]),
            ("provider=AWS&names=a", &["a"]),
            ("names=a&names=b", &["a", "b", "a"]),
            ("names=%C3%A4%20%C3%B6", &["ä ö"]),
            ("names=nobody", &[]),
            ("limit=0", &[]),
        ] {
            let page = world.get(&world.path(&format!("/clusters?{query}"))).await.expect(200);
            assert_eq!(names(&page), expected, "{query}");
            if !query.contains("limit=") && !query.contains("offset=") {
                assert_eq!(page["totalCount"], expected.len(), "{query}");
            }
        }
        for (query, field) in [("provider=MOON", "provider"), ("limit=1001", "limit"), ("sorts=region:asc", "sorts[0]")] {
            let answer = world.get(&world.path(&format!("/clusters?{query}"))).await;
            assert_eq!(answer.fields(), [field], "{}", answer.json);
            answer.expect(400);
        }
    }

    /// Another Organization's cluster is not there, and cannot be used.
    async fn a_cluster_is_its_organizations_own(world) {
        let made = create(&world, least("ours")).await;
        let stranger = world.second_organization().await;
        let theirs = |rest: &str| format!("/v1/organizations/{}{rest}", stranger.organization);
        let path = theirs(&format!("/clusters/{}", made["id"].as_str().expect("an id")));
        let owner = Some(stranger.owner.as_str());
        for (method, body) in [("GET", Value::Null), ("POST", update("x")), ("DELETE", Value::Null)] {
            let answer = world.call(owner, method, &path, &body).await;
            assert_eq!(answer.message(), "cluster not found");
            answer.expect(404);
        }
        let page = world.call(owner, "GET", &theirs("/clusters"), &Value::Null).await.expect(200);
        assert_eq!(page["totalCount"], 0);
        let body = json!({"name": "x", "workspaceId": stranger.workspace, "clusterId": made["id"]});
        let answer = world.call(owner, "POST", &theirs("/deployments"), &body).await;
        assert_eq!(answer.fields(), ["clusterId"]);
        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        let answer = world.call(Some(&member), "DELETE", &one(&world, &made), &Value::Null).await;
        assert!(answer.message().ends_with("organization.clusters.delete on this Organization"), "{}", answer.message());
        answer.expect(403);
    }
}

on_both! {
    /// A cluster that something uses stays, and the refusal names what.
    async fn a_cluster_in_use_cannot_be_deleted(world) {
        let made = create(&world, least("Frankfurt")).await;
        let body = json!({"name": "etl", "workspaceId": world.workspace, "clusterId": made["id"]});
        let deployment = world.post(&world.path("/deployments"), body).await.expect(200)["id"].clone();
        let by_default = json!({"name": "analysts", "defaultClusterId": made["id"]});
        let workspace = world.post(&world.path("/workspaces"), by_default).await.expect(200)["id"].clone();
        let (deployment, workspace) = (deployment.as_str().expect("an id"), workspace.as_str().expect("an id"));

        let answer = world.delete(&one(&world, &made)).await;
        for named in [format!("etl ({deployment})"), format!("analysts ({workspace})")] {
            assert!(answer.message().contains(&named), "{}", answer.message());
        }
        answer.expect(400);
        world.delete(&world.path(&format!("/deployments/{deployment}"))).await.expect(204);
        let answer = world.delete(&one(&world, &made)).await;
        assert!(!answer.message().contains("etl") && answer.message().contains("analysts"), "{}", answer.message());
        answer.expect(400);
        let without = json!({"name": "analysts", "description": "", "cicdEnforcedDefault": false, "defaultClusterId": ""});
        let changed = world.post(&world.path(&format!("/workspaces/{workspace}")), without).await.expect(200);
        assert!(changed.get("defaultClusterId").is_none());
        let deleted = world.delete(&one(&world, &made)).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        for answer in [world.get(&one(&world, &made)).await, world.delete(&one(&world, &made)).await] {
            assert_eq!(answer.message(), "cluster not found");
            answer.expect(404);
        }
    }

    /// Only Workspaces that a cluster is restricted to can use it, and it cannot be taken away from
    /// one that does.
    async fn a_restricted_cluster_is_for_its_workspaces(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let made = create(&world, with(least("ours"), [("workspaceIds", json!([world.workspace]))])).await;
        let deployment = |workspace: Value| json!({"name": "etl", "workspaceId": workspace, "clusterId": made["id"]});
        let answer = world.post(&world.path("/deployments"), deployment(json!(elsewhere))).await;
        assert_eq!(answer.message(), "clusterId: the cluster ours is restricted to other Workspaces");
        answer.expect(400);
        for (path, name) in [("/workspaces".to_owned(), "new"), (format!("/workspaces/{elsewhere}"), "elsewhere")] {
            let body = json!({
                "name": name, "description": "", "cicdEnforcedDefault": false, "defaultClusterId": made["id"],
            });
            let answer = world.post(&world.path(&path), body).await;
            assert_eq!(answer.fields(), ["defaultClusterId"], "{}", answer.json);
            answer.expect(400);
        }
        world.post(&world.path("/deployments"), deployment(json!(world.workspace))).await.expect(200);
        let restrict = |workspaces: Value| with(update("ours"), [("workspaceIds", workspaces)]);
        let answer = world.post(&one(&world, &made), restrict(json!([elsewhere]))).await;
        assert_eq!(answer.fields(), ["workspaceIds"]);
        assert!(answer.message().contains("etl"), "{}", answer.message());
        answer.expect(400);
        world.post(&one(&world, &made), restrict(json!([elsewhere, world.workspace]))).await.expect(200);
        world.post(&one(&world, &made), restrict(json!([]))).await.expect(200);
        world.post(&world.path("/deployments"), deployment(json!(elsewhere))).await.expect(200);
    }

    /// A Workspace that is deleted leaves the cluster restricted: its end opens the cluster to nobody.
    async fn the_end_of_a_workspace_opens_no_cluster(world) {
        let gone = world.new_workspace("gone").await;
        let made = create(&world, with(least("ours"), [("workspaceIds", json!([gone]))])).await;
        world.delete(&world.path(&format!("/workspaces/{gone}"))).await.expect(204);
        assert_eq!(world.get(&one(&world, &made)).await.expect(200)["workspaceIds"], json!([gone]));
        let body = json!({"name": "x", "workspaceId": world.workspace, "clusterId": made["id"]});
        world.post(&world.path("/deployments"), body).await.expect(400);
        let same = with(update("renamed"), [("workspaceIds", json!([gone]))]);
        assert_eq!(world.post(&one(&world, &made), same).await.expect(200)["name"], "renamed");
        let more = with(update("renamed"), [("workspaceIds", json!([gone, world.workspace]))]);
        let now = world.post(&one(&world, &made), more.clone()).await.expect(200);
        assert_eq!(now["workspaceIds"], more["workspaceIds"]);
    }

    /// A second region turns recovery on, and its end turns it off, as at the creation.
    async fn recovery_follows_the_second_region(world) {
        let made = create(&world, least("ours")).await;
        let updated = async |changes: Value| {
            let mut body = update("ours");
            body.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
            let now = world.post(&one(&world, &made), body).await.expect(200);
            [now["isDrEnabled"].clone(), now["isFailedOver"].clone()]
        };
        assert_eq!(updated(json!({"drRegion": "eu-west-1"})).await[0], json!(true));
        assert_eq!(updated(json!({"isFailedOver": true})).await, [json!(true), json!(true)]);
        let [is_enabled, has_failed_over] = updated(json!({"drRegion": ""})).await;
        assert_eq!(is_enabled, json!(false));
        assert_ne!(has_failed_over, json!(true));
    }

    /// A node pool that is renamed does not stand in the way of a new one of its old name.
    async fn a_new_node_pool_can_take_the_name_of_a_renamed_one(world) {
        let pool = |name: &str| json!({"name": name, "nodeInstanceType": "m5.large", "maxNodeCount": 3});
        let made = create(&world, with(least("ours"), [("nodePools", json!([pool("small")]))])).await;
        let mut renamed = pool("large");
        renamed["id"] = made["nodePools"][0]["id"].clone();
        let body = with(update("ours"), [("nodePools", json!([renamed, pool("small")]))]);
        let pools = world.post(&one(&world, &made), body).await.expect(200)["nodePools"].clone();
        assert_eq!([&pools[0]["id"], &pools[0]["name"]], [&renamed["id"], &json!("large")]);
        assert_ne!(pools[1]["id"], renamed["id"]);
    }

    /// A cluster is as well as the Deployments in it, and says which is not, to those who may see it.
    async fn a_cluster_is_as_well_as_its_deployments(world) {
        let made = create(&world, least("ours")).await;
        let elsewhere = world.new_workspace("elsewhere").await;
        let new = async |name: &str, workspace: &str| {
            let body = json!({
                "name": name, "workspaceId": workspace, "clusterId": made["id"],
                "environmentVariables": [{"key": "AIRFLOW__API__BASE_URL", "value": "http://x", "isSecret": false}],
            });
            let made = world.post(&world.path("/deployments"), body).await.expect(200);
            made["id"].as_str().expect("an id").to_owned()
        };
        let (one_id, other_id) = (new("one", world.workspace.as_str()).await, new("other", &elsewhere).await);
        let found = async |id: &str, status: &str| {
            world.database.execute(&format!(
                "INSERT INTO deployment_health (deployment_id, status, reason, claimed_at, checked_at) \
                 VALUES ('{id}', '{status}', 'the scheduler is silent', 1767225600000000, 1767225600000000) \
                 ON CONFLICT (deployment_id) DO UPDATE SET status = '{status}'"
            )).await;
        };
        let detail = |id: &str, code: &str, description: &str, severity: &str| {
            json!({"code": code, "component": id, "description": description, "severity": severity})
        };
        let health = async || world.get(&one(&world, &made)).await.expect(200)["healthStatus"].clone();

        found(&one_id, "HEALTHY").await;
        let unknown = detail(&other_id, "UNKNOWN", "other: its Airflow has not been looked at yet", "WARNING");
        assert_eq!(health().await, json!({"value": "UNKNOWN", "details": [unknown]}));
        found(&other_id, "HEALTHY").await;
        assert_eq!(health().await, json!({"value": "HEALTHY", "details": []}));
        found(&other_id, "UNHEALTHY").await;
        let unhealthy = detail(&other_id, "UNHEALTHY", "other: the scheduler is silent", "CRITICAL");
        let expected = json!({"value": "UNHEALTHY", "details": [unhealthy]});
        assert_eq!(health().await, expected);
        let page = world.get(&world.path("/clusters")).await.expect(200);
        assert_eq!(page["clusters"][0]["healthStatus"], expected);

        let asleep = json!({
            "name": "asleep", "workspaceId": world.workspace, "clusterId": made["id"], "isDevelopmentMode": true,
            "scalingSpec": {"hibernationSpec": {"override": {"isHibernating": true}}},
        });
        let asleep = world.post(&world.path("/deployments"), asleep).await.expect(200);
        assert_eq!(asleep["status"], "HIBERNATING");
        assert_eq!(health().await, expected, "a Deployment that hibernates is as it shall be");

        let member = world.workspace_token("WORKSPACE_OWNER").await.1;
        let seen = world.call(Some(&member), "GET", &one(&world, &made), &Value::Null).await.expect(200);
        assert_eq!(seen["healthStatus"], json!({"value": "UNHEALTHY", "details": []}), "its Deployment is not the caller's");
        world.clock.advance(86_400);
        assert_eq!(health().await["value"], "UNKNOWN", "nothing is claimed of long ago");
    }

    /// A cluster that is deleted while a Deployment is put into it: one of the two is refused.
    async fn no_deployment_is_in_a_cluster_that_is_gone(world) {
        let world = Arc::new(world);
        for _ in 0..8 {
            let made = create(&world, least("x")).await;
            let put = {
                let (world, id) = (Arc::clone(&world), made["id"].clone());
                let body = json!({"name": "x", "workspaceId": world.workspace, "clusterId": id});
                tokio::spawn(async move { world.post(&world.path("/deployments"), body).await })
            };
            let deleted = world.delete(&one(&world, &made)).await;
            let put = put.await.expect("an answer");
            assert!(matches!((put.status, deleted.status), (200, 400) | (400, 204)), "{} {}", put.json, deleted.json);
        }
    }

    /// An Organization has so many clusters at the most.
    async fn the_number_of_clusters_is_bounded(world) {
        let made = create(&world, least("x")).await;
        let id = made["id"].as_str().expect("an id");
        for n in 1..1000 {
            let copy = format!("c{n:024}");
            world.database.execute(&format!(
                "INSERT INTO clusters (id, organization_id, name, cluster_type, cloud_provider, settings, node_pools, \
                 workspace_ids, created_at, created_by, updated_at, updated_by) SELECT '{copy}', organization_id, name, \
                 cluster_type, cloud_provider, settings, node_pools, workspace_ids, created_at, created_by, updated_at, \
                 updated_by FROM clusters WHERE id = '{id}'"
            )).await;
        }
        let answer = world.post(&world.path("/clusters"), least("one more")).await;
        assert!(answer.message().contains("1000 clusters"), "{}", answer.message());
        answer.expect(412);
        world.delete(&one(&world, &made)).await.expect(204);
        create(&world, least("one more")).await;
    }
}
