//! `/iam/v1beta1` and `/platform/v1beta1`: what the stock Terraform provider sends and needs.

use airlock_contract::{
    Operation,
    operation::{Also, Beta, Method, Visitor},
    operations,
};
use airlock_tests::{World, on_both};
use serde_json::{Value, json};

/// A path of the Organization below `/iam/v1beta1`.
fn iam(world: &World, rest: &str) -> String {
    format!("/iam/v1beta1/organizations/{}{rest}", world.organization)
}

/// A path of the Organization below `/platform/v1beta1`.
fn platform(world: &World, rest: &str) -> String {
    format!("/platform/v1beta1/organizations/{}{rest}", world.organization)
}

/// What tasks have in the cloud.
const RESOURCES: [&str; 4] = ["defaultTaskPodCpu", "defaultTaskPodMemory", "resourceQuotaCpu", "resourceQuotaMemory"];

/// Without some fields.
fn without(mut value: Value, fields: &[&str]) -> Value {
    let object = value.as_object_mut().expect("an object");
    fields.iter().for_each(|field| {
        object.remove(*field).unwrap_or_else(|| panic!("no {field}"));
    });
    value
}

on_both! {
    /// `astro_api_token`: the token's `type` goes in and out, all along its life.
    async fn an_api_token_has_a_type(world) {
        let made = world.post(&iam(&world, "/tokens"), json!({
            "name": "terraform", "description": "", "role": "WORKSPACE_MEMBER", "type": "WORKSPACE",
            "entityId": world.workspace, "tokenExpiryPeriodInDays": 30,
        })).await;
        assert_eq!(made.headers["content-type"], "application/json");
        let made = made.expect(200);
        assert_eq!((&made["type"], &made["scope"]), (&json!("WORKSPACE"), &json!("WORKSPACE")));
        assert!(made["token"].is_string());
        assert_eq!((&made["expiryPeriodInDays"], &made["description"]), (&json!(30), &json!("")));
        let path = iam(&world, &format!("/tokens/{}", made["id"].as_str().expect("an id")));

        let roles = json!([
            {"role": "WORKSPACE_AUTHOR", "entityType": "WORKSPACE", "entityId": world.workspace},
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment},
        ]);
        world.post(&format!("{path}/roles"), json!({"roles": roles})).await.expect(200);
        let got = world.get(&path).await.expect(200);
        assert_eq!((&got["type"], &got["roles"]), (&json!("WORKSPACE"), &roles));
        for needed in ["shortToken", "startAt", "endAt", "createdAt", "updatedAt"] {
            assert!(got[needed].is_string(), "{needed}");
        }
        assert!(got["createdBy"]["id"].is_string() && got["updatedBy"]["id"].is_string());
        assert!(got.get("token").is_none());
        let changed = world.post(&path, json!({"name": "renamed", "description": "x"})).await.expect(200);
        assert_eq!((&changed["name"], &changed["type"]), (&json!("renamed"), &json!("WORKSPACE")));
        let rotated = world.post(&format!("{path}/rotate"), Value::Null).await.expect(200);
        assert_eq!(rotated["type"], "WORKSPACE");

        let list = iam(&world, &format!("/tokens?limit=1000&offset=0&workspaceId={}", world.workspace));
        let page = world.get(&list).await.expect(200);
        assert_eq!((&page["tokens"][0]["type"], &page["totalCount"]), (&json!("WORKSPACE"), &json!(1)));
        world.delete(&path).await.expect(204);
        world.get(&path).await.expect(404);
    }

    /// v1 knows no `type` of a token: neither in nor out.
    async fn v1_has_a_scope_only(world) {
        let body = json!({"name": "x", "role": "ORGANIZATION_MEMBER", "type": "ORGANIZATION"});
        let answer = world.post(&world.path("/tokens"), body).await;
        assert_eq!(answer.fields(), ["scope"]);
        answer.expect(400);
        let page = world.get(&world.path("/tokens")).await.expect(200);
        assert!(page["tokens"][0].get("type").is_none());
        assert_eq!(page["tokens"][0]["scope"], "ORGANIZATION");
        let (id, _) = world.agent_token("x").await;
        let token = world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
        assert!(token.get("type").is_none());
        let organization = world.get(&world.path("")).await.expect(200);
        assert!(organization.get("supportPlan").is_none());
        let deployment = world.get(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(200);
        assert!(deployment.get("workloadIdentity").is_none());
    }

    /// A fault is named by the field that the client sent.
    async fn a_wrong_type_is_called_type(world) {
        let list = iam(&world, "/tokens");
        for body in [
            json!({"name": "x", "role": "ORGANIZATION_MEMBER"}),
            json!({"name": "x", "role": "ORGANIZATION_MEMBER", "type": "GALAXY"}),
            json!({"name": "x", "role": "ORGANIZATION_MEMBER", "type": 7}),
        ] {
            let answer = world.post(&list, body.clone()).await;
            assert_eq!(answer.fields(), ["type"], "{body}: {}", answer.json);
            answer.expect(400);
        }
    }

    /// `astro_agent_token`: made, read until it is gone, deleted.
    async fn an_agent_token_has_a_type(world) {
        let list = iam(&world, &format!("/deployments/{}/agent-tokens", world.deployment));
        let body = json!({"name": "edge", "description": "", "tokenExpiryPeriodInDays": 7});
        let made = world.post(&list, body).await.expect(200);
        assert!(made["token"].as_str().is_some_and(|value| value.starts_with("agt_")));
        assert_eq!((&made["type"], &made["scope"]), (&json!("DEPLOYMENT"), &json!("DEPLOYMENT")));
        assert_eq!((&made["expiryPeriodInDays"], &made["description"]), (&json!(7), &json!("")));
        let path = format!("{list}/{}", made["id"].as_str().expect("an id"));
        assert_eq!(world.get(&path).await.expect(200), without(made.clone(), &["token"]));
        let page = world.get(&list).await.expect(200);
        assert_eq!(page["tokens"], json!([without(made, &["token"])]));
        world.delete(&path).await.expect(204);
        world.get(&path).await.expect(404);
        world.delete(&path).await.expect(404);
    }

    /// `data.astro_organization`: the support plan is required in v1beta1.
    async fn an_organization_has_a_support_plan(world) {
        let organization = world.get(&platform(&world, "")).await.expect(200);
        assert_eq!((&organization["supportPlan"], &organization["product"]), (&json!("INTERNAL"), &json!("HOSTED")));
        assert_eq!(organization["status"], "ACTIVE");
        assert_eq!(organization["isScimEnabled"], false);
        let page = world.get("/platform/v1beta1/organizations").await.expect(200);
        assert_eq!(page["organizations"], json!([organization]));
        let look_up = world.get(&platform(&world, "?isLookUpOnly=true")).await.expect(200);
        assert_eq!(look_up["supportPlan"], "INTERNAL");
        let body = json!({"name": "x", "billingEmail": "", "isScimEnabled": false});
        assert_eq!(world.post(&platform(&world, ""), body).await.expect(200)["supportPlan"], "INTERNAL");
    }

    /// `astro_workspace`.
    async fn a_workspace(world) {
        let body = json!({"name": "terraform", "description": "by hand", "cicdEnforcedDefault": true});
        let made = world.post(&platform(&world, "/workspaces"), body.clone()).await.expect(200);
        for (key, value) in body.as_object().expect("an object") {
            assert_eq!(made[key], *value, "{key}");
        }
        assert!(made["createdBy"]["id"].is_string() && made["updatedBy"]["id"].is_string());
        let path = platform(&world, &format!("/workspaces/{}", made["id"].as_str().expect("an id")));
        assert_eq!(world.get(&path).await.expect(200), made);
        let body = json!({"name": "renamed", "description": "", "cicdEnforcedDefault": false});
        assert_eq!(world.post(&path, body).await.expect(200)["name"], "renamed");
        let id = made["id"].as_str().expect("an id");
        let page = platform(&world, &format!("/workspaces?limit=1000&offset=0&workspaceIds={id}&names=renamed"));
        assert_eq!(world.get(&page).await.expect(200)["totalCount"], 1);
        world.delete(&path).await.expect(204);
        world.get(&path).await.expect(404);
    }

    /// `astro_custom_role`: no restriction comes as null.
    async fn a_custom_role(world) {
        let made = world.post(&iam(&world, "/roles"), json!({
            "name": "Keeper", "description": "", "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"],
            "restrictedWorkspaceIds": null,
        })).await.expect(200);
        assert_eq!(made["restrictedWorkspaceIds"], json!([]));
        let path = iam(&world, &format!("/roles/{}", made["id"].as_str().expect("an id")));
        assert_eq!(world.get(&path).await.expect(200), made);
        let changed = world.post(&path, json!({
            "name": "Keeper", "description": "x", "permissions": ["deployment.get"],
            "restrictedWorkspaceIds": [world.workspace],
        })).await.expect(200);
        assert_eq!(changed["restrictedWorkspaceIds"], json!([world.workspace]));
        world.get(&iam(&world, "/role-templates")).await.expect(200);
        let page = world.get(&iam(&world, "/roles?includeDefaultRoles=true")).await.expect(200);
        assert!(page["defaultRoles"].is_array());
        world.delete(&path).await.expect(204);
    }

    /// `astro_deployment` of the kind STANDARD, in the words of v1beta1: what is configured comes
    /// back, an update with the same values changes nothing, and the identities have their names.
    async fn a_standard_deployment(world) {
        let queue = json!({
            "astroMachine": "A5", "isDefault": true, "maxWorkerCount": 10, "minWorkerCount": 0, "name": "default",
            "workerConcurrency": 5,
        });
        let update = json!({
            "contactEmails": ["a@example.org"], "defaultTaskPodCpu": "0.25", "defaultTaskPodMemory": "0.5Gi",
            "description": "by terraform", "environmentVariables": [
                {"isSecret": true, "key": "TOKEN", "value": "not to be seen"},
                {"isSecret": false, "key": "LEVEL", "value": "info"},
            ],
            "executor": "CELERY", "isCicdEnforced": false, "isDagDeployEnabled": true, "isDevelopmentMode": false,
            "isHighAvailability": false, "name": "from terraform", "resourceQuotaCpu": "10",
            "resourceQuotaMemory": "20Gi", "scalingSpec": null, "schedulerSize": "SMALL", "type": "STANDARD",
            "workerQueues": [queue], "workloadIdentity": "arn:1", "workspaceId": world.workspace,
        });
        let mut body = update.clone();
        for (key, value) in [("astroRuntimeVersion", "11.3.0"), ("cloudProvider", "AWS"), ("region", "us-east-1")] {
            body[key] = json!(value);
        }
        let made = world.post(&platform(&world, "/deployments"), body.clone()).await.expect(200);
        for (key, value) in without(body, &["environmentVariables", "scalingSpec", "workerQueues"]).as_object().expect("an object") {
            assert_eq!(made[key], *value, "{key}");
        }
        for (key, value) in queue.as_object().expect("an object") {
            assert_eq!(made["workerQueues"][0][key], *value, "{key}");
        }
        assert_eq!(made["environmentVariables"][0].get("value"), None);
        assert_eq!(made["environmentVariables"][1]["value"], "info");
        assert_eq!(made["effectiveWorkloadIdentity"], "arn:1");
        for needed in ["namespace", "status", "webServerUrl", "imageTag", "schedulerCpu", "airflowVersion"] {
            assert!(made[needed].is_string(), "{needed}");
        }
        let path = platform(&world, &format!("/deployments/{}", made["id"].as_str().expect("an id")));
        assert_eq!(world.get(&path).await.expect(200), made);
        let page = platform(&world, "/deployments?limit=1000&offset=0&names=from+terraform");
        assert_eq!(world.get(&page).await.expect(200)["deployments"], json!([made]));

        world.clock.advance(1);
        let same = world.post(&path, update).await.expect(200);
        let times = &["updatedAt"];
        assert_eq!(without(same, times), without(made, times));
        world.delete(&path).await.expect(204);
        world.get(&path).await.expect(404);
    }

    /// `astro_deployment` without a `scaling_spec`: the provider asks for an empty one, and wants
    /// none back; also when there was one before.
    async fn a_deployment_without_a_scaling_spec(world) {
        let cluster = world.new_cluster("DEDICATED").await;
        for (kind, key, value) in [("STANDARD", "region", json!("us-east-1")), ("DEDICATED", "clusterId", json!(cluster))] {
            let mut update = json!({
                "contactEmails": [], "defaultTaskPodCpu": "0.25", "defaultTaskPodMemory": "0.5Gi", "description": "",
                "environmentVariables": [], "executor": "KUBERNETES", "isCicdEnforced": false,
                "isDagDeployEnabled": false, "isDevelopmentMode": true, "isHighAvailability": false, "name": "x",
                "resourceQuotaCpu": "10", "resourceQuotaMemory": "20Gi", "scalingSpec": {}, "schedulerSize": "SMALL",
                "type": kind, "workspaceId": world.workspace,
            });
            let mut body = update.clone();
            body["astroRuntimeVersion"] = json!("11.3.0");
            body[key] = value;
            let made = world.post(&platform(&world, "/deployments"), body).await.expect(200);
            assert_eq!(made.get("scalingSpec"), None, "{kind}");
            let path = platform(&world, &format!("/deployments/{}", made["id"].as_str().expect("an id")));
            assert_eq!(world.get(&path).await.expect(200), made);

            let some = json!({"hibernationSpec": {"override": {"isHibernating": false}}});
            update["scalingSpec"] = some;
            let changed = world.post(&path, update.clone()).await.expect(200);
            assert_eq!(changed["scalingSpec"]["hibernationSpec"]["override"]["isHibernating"], false, "{kind}");
            update["scalingSpec"] = json!({});
            let changed = world.post(&path, update).await.expect(200);
            assert_eq!(changed.get("scalingSpec"), None, "{kind}");
        }
    }

    /// `astro_deployment` of the kind DEDICATED with remote execution.
    async fn a_dedicated_deployment(world) {
        let body = json!({
            "astroRuntimeVersion": "3.0-1", "clusterId": world.new_cluster("DEDICATED").await, "contactEmails": [],
            "defaultTaskPodCpu": "", "defaultTaskPodMemory": "", "description": "remote", "environmentVariables": [],
            "executor": "ASTRO", "isCicdEnforced": false, "isDagDeployEnabled": false, "isDevelopmentMode": true,
            "isHighAvailability": true, "name": "remote", "remoteExecution": {
                "enabled": true, "allowedIpAddressRanges": ["8.8.8.8/32"], "taskLogBucket": "s3://logs",
                "taskLogUrlPattern": "https://logs",
            },
            "resourceQuotaCpu": "", "resourceQuotaMemory": "", "scalingSpec": {"hibernationSpec": {
                "override": {"isHibernating": true, "overrideUntil": "2026-04-25T12:58:00Z"}, "schedules": [{
                    "description": null, "hibernateAtCron": "1 * * * *", "isEnabled": true, "wakeAtCron": "59 * * * *",
                }],
            }},
            "schedulerSize": "MEDIUM", "type": "DEDICATED", "workspaceId": world.workspace, "drWorkloadIdentity": "arn:2",
        });
        let made = world.post(&platform(&world, "/deployments"), body.clone()).await.expect(200);
        let apart = [&["remoteExecution", "scalingSpec"], &RESOURCES[..]].concat();
        for (key, value) in without(body.clone(), &apart).as_object().expect("an object") {
            assert_eq!(made[key], *value, "{key}");
        }
        for absent in RESOURCES.iter().chain(&["workerQueues"]) {
            assert_eq!(made.get(*absent), None, "{absent} was planned as null");
        }
        for (key, value) in body["remoteExecution"].as_object().expect("an object") {
            assert_eq!(made["remoteExecution"][key], *value, "{key}");
        }
        let spec = &made["scalingSpec"]["hibernationSpec"];
        assert_eq!(spec["override"]["overrideUntil"], "2026-04-25T12:58:00Z");
        assert_eq!(spec["schedules"][0]["wakeAtCron"], "59 * * * *");
        assert_eq!(made["effectiveDRWorkloadIdentity"], "arn:2");
        let path = platform(&world, &format!("/deployments/{}", made["id"].as_str().expect("an id")));
        assert_eq!(world.get(&path).await.expect(200), made);
        let update = without(body, &["astroRuntimeVersion", "clusterId"]);
        let same = world.post(&path, update.clone()).await.expect(200);
        assert_eq!(without(same, &["updatedAt"]), without(made, &["updatedAt"]));

        // Newer ones leave out what is null. What was there is so no more.
        let mut some = update.clone();
        RESOURCES.iter().for_each(|key| some[*key] = json!("1"));
        let changed = world.post(&path, some.clone()).await.expect(200);
        RESOURCES.iter().for_each(|key| assert_eq!(changed[*key], "1"));
        let changed = world.post(&path, without(update, &RESOURCES)).await.expect(200);
        RESOURCES.iter().for_each(|key| assert_eq!(changed.get(*key), None, "{key}"));
        // Without remote execution they are needed, and "" is none.
        some["remoteExecution"] = json!({"enabled": false});
        some["resourceQuotaCpu"] = json!("");
        let changed = world.post(&path, some).await.expect(200);
        assert_eq!((&changed["resourceQuotaCpu"], &changed["resourceQuotaMemory"]), (&json!("10"), &json!("1")));
    }

    /// `astro_deployment` of the kind HYBRID.
    async fn a_hybrid_deployment(world) {
        let body = json!({
            "astroRuntimeVersion": "11.3.0", "clusterId": world.new_cluster("HYBRID").await, "contactEmails": [],
            "description": "", "environmentVariables": [], "executor": "CELERY", "isCicdEnforced": true,
            "isDagDeployEnabled": true, "name": "hybrid", "scheduler": {"au": 6, "replicas": 1},
            "type": "HYBRID", "workspaceId": world.workspace, "workerQueues": [{
                "isDefault": true, "maxWorkerCount": 2, "minWorkerCount": 1, "name": "default",
                "nodePoolId": "clm8q7f6q000008lcgyougpsl", "workerConcurrency": 3,
            }],
        });
        let made = world.post(&platform(&world, "/deployments"), body).await.expect(200);
        assert_eq!((&made["schedulerAu"], &made["schedulerReplicas"]), (&json!(6), &json!(1)));
        assert_eq!(made["workerQueues"][0]["nodePoolId"], "clm8q7f6q000008lcgyougpsl");
        let path = platform(&world, &format!("/deployments/{}", made["id"].as_str().expect("an id")));
        // Without `workerQueues`, of which KUBERNETES may have none.
        let changed = world.post(&path, json!({
            "contactEmails": [], "description": "", "environmentVariables": [], "executor": "KUBERNETES",
            "isCicdEnforced": true, "isDagDeployEnabled": true, "name": "hybrid",
            "scheduler": {"au": 5, "replicas": 2}, "taskPodNodePoolId": "clm8q7f6q000008lcgyougpsl",
            "type": "HYBRID", "workspaceId": world.workspace,
        })).await.expect(200);
        assert_eq!((&changed["schedulerAu"], &changed["schedulerReplicas"]), (&json!(5), &json!(2)));
        assert_eq!(changed["taskPodNodePoolId"], "clm8q7f6q000008lcgyougpsl");
        assert_eq!(changed.get("workerQueues"), None);
    }

    /// Errors have the same envelope, and the same rules hold: the handlers are the same.
    async fn errors_are_the_same(world) {
        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        let (tokens, deployments) = (iam(&world, "/tokens"), platform(&world, "/deployments"));
        world.call(None, "GET", &tokens, &Value::Null).await.expect(401);
        world.call(Some(&member), "GET", &tokens, &Value::Null).await.expect(403);
        let answer = world.post(&deployments, json!({"name": "x", "workspaceId": "cnowhere"})).await;
        assert_eq!(answer.message(), "Workspace not found");
        answer.expect(404);
        let answer = world.post(&deployments, json!({"name": ""})).await;
        assert_eq!(answer.fields(), ["workspaceId"]);
        answer.expect(400);
        world.get(&platform(&world, "/workspaces?provider=&limit=&names=")).await.expect(200);
    }

    /// What was done below a beta prefix is in the audit log, with the path that was called.
    async fn changes_are_audited(world) {
        world.post(&platform(&world, "/workspaces"), json!({"name": "x"})).await.expect(200);
        let log = world.audit_log().await;
        let entry = log.iter().find(|entry| entry["operationId"] == "CreateWorkspace").expect("a record");
        assert_eq!(entry["path"], platform(&world, "/workspaces"));
        world.get(&platform(&world, "/audit-logs")).await.expect(200);
    }

    /// Each operation is below the one prefix that its declaration says, as the declaration says,
    /// and not below the others.
    async fn operations_are_below_their_own_prefix(world) {
        struct Rows(Vec<(&'static str, Method, &'static str, Option<Also>)>);
        impl Visitor for Rows {
            fn visit<O: Operation>(&mut self) {
                self.0.push((O::ID, O::METHOD, O::PATH, O::ALSO));
            }
        }
        let mut rows = Rows(Vec::new());
        operations::visit(&mut rows);
        assert!(rows.0.len() >= 32);
        // Without a token, what is served says 401, and what is not 404 or 405.
        let is_served = async |method: Method, prefix: &str, path: &str| {
            let path = path.replace("{organizationId}", world.organization.as_str()).replace(['{', '}'], "");
            let answer = world.call(None, method.as_str(), &format!("{prefix}{path}"), &Value::Null).await;
            answer.assert_envelope();
            answer.status == 401
        };
        for &(id, method, path, also) in &rows.0 {
            assert!(is_served(method, "/v1", path).await, "{id}");
            if let Some(also) = also {
                assert!(is_served(also.method, also.beta.prefix(), also.path).await, "{id}");
            }
            for beta in [Beta::Iam, Beta::Platform, Beta::Labs] {
                let is_declared = |(_, _, _, also): &(_, _, _, Option<Also>)| *also == Some(Also { beta, method, path });
                if !rows.0.iter().any(is_declared) {
                    assert!(!is_served(method, beta.prefix(), path).await, "{id} below {}", beta.prefix());
                }
            }
        }
    }
}
