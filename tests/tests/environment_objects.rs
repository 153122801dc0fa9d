//! `/organizations/{organizationId}/environment-objects`

use airlock_tests::{MASTER_KEY, World, on_both};
use serde_json::{Value, json};

/// The path of the objects, and the rest.
fn objects(world: &World, rest: &str) -> String {
    world.path(&format!("/environment-objects{rest}"))
}

/// An object of the Workspace, with more fields or others.
fn of_workspace(world: &World, kind: &str, key: &str, more: Value) -> Value {
    object(kind, key, "WORKSPACE", world.workspace.as_str(), more)
}

/// An object of a Deployment, with more fields or others.
fn of_deployment(kind: &str, key: &str, deployment: &str, more: Value) -> Value {
    object(kind, key, "DEPLOYMENT", deployment, more)
}

fn object(kind: &str, key: &str, scope: &str, of: &str, more: Value) -> Value {
    let mut body = json!({"objectKey": key, "objectType": kind, "scope": scope, "scopeEntityId": of});
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body
}

fn warehouse() -> Value {
    json!({
        "type": "postgres", "host": "db.example.com", "port": 5432, "login": "etl", "schema": "facts",
        "password": "the password", "extra": {"sslmode": "require", "key": "the key"},
    })
}

fn link(deployment: &str, overrides: Value) -> Value {
    json!({"scope": "DEPLOYMENT", "scopeEntityId": deployment, "overrides": overrides})
}

fn exclusion(deployment: &str) -> Value {
    json!({"scope": "DEPLOYMENT", "scopeEntityId": deployment})
}

/// The keys of a list, in its order.
fn keys(page: &Value) -> Vec<&str> {
    let objects = page["environmentObjects"].as_array().expect("objects");
    assert_eq!(page["totalCount"], objects.len());
    objects.iter().map(|object| object["objectKey"].as_str().expect("a key")).collect()
}

/// The one object that a Deployment has, as it is for it.
async fn resolved(world: &World, deployment: &str, key: &str) -> Option<Value> {
    let path =
        objects(world, &format!("?deploymentId={deployment}&resolveLinked=true&showSecrets=true&objectKey={key}"));
    let page = world.get(&path).await.expect(200);
    let found = page["environmentObjects"].as_array().expect("objects").clone();
    assert!(found.len() <= 1, "{page}");
    found.into_iter().next()
}

async fn allow_secrets(world: &World) {
    let body = json!({
        "name": "Acme", "billingEmail": "", "isScimEnabled": false, "allowEnvironmentSecretsFetching": true,
    });
    let changed = world.post(&world.path(""), body).await.expect(200);
    assert_eq!(changed["allowEnvironmentSecretsFetching"], true);
}

on_both! {
    /// Each type comes back as it was made, but for its secrets; of which nothing is kept in the
    /// clear.
    async fn all_types_come_back_without_their_secrets(world) {
        let deployment = world.deployment.to_string();
        let export = json!({
            "endpoint": "https://prometheus.example.com/write", "exporterType": "PROMETHEUS", "authType": "AUTH_TOKEN",
            "basicToken": "the token", "labels": {"team": "data"}, "headers": {"x-scope": "1"},
        });
        for (kind, key, field, value, shown, set) in [
            ("CONNECTION", "warehouse", "connection", warehouse(),
                json!({"type": "postgres", "host": "db.example.com", "port": 5432, "login": "etl", "schema": "facts"}),
                json!(["extra", "host", "login", "password", "port", "schema", "type"])),
            ("AIRFLOW_VARIABLE", "a/key with blanks", "airflowVariable", json!({"value": "the value", "isSecret": true}),
                json!({"value": "", "isSecret": true}), json!(["value"])),
            ("AIRFLOW_VARIABLE", "plain", "airflowVariable", json!({"value": "shown"}),
                json!({"value": "shown", "isSecret": false}), json!(["value"])),
            ("ENVIRONMENT_VARIABLE", "API_KEY", "environmentVariable", json!({"value": "the value", "isSecret": true}),
                json!({"value": "", "isSecret": true}), json!(["value"])),
            ("METRICS_EXPORT", "prometheus", "metricsExport", export.clone(),
                json!({
                    "endpoint": "https://prometheus.example.com/write", "exporterType": "PROMETHEUS",
                    "authType": "AUTH_TOKEN", "labels": {"team": "data"}, "headers": {"x-scope": "1"},
                }),
                json!(["authType", "basicToken", "endpoint", "exporterType", "headers", "labels"])),
        ] {
            for body in [
                of_workspace(&world, kind, key, json!({field: value, "description": "for tests"})),
                of_deployment(kind, key, &deployment, json!({field: value})),
            ] {
                let id = world.environment_object(body.clone()).await;
                let got = world.get(&objects(&world, &format!("/{id}"))).await.expect(200);
                assert_eq!(got[field], shown, "{kind}");
                assert_eq!(got["setFields"], set, "{kind}");
                for name in ["objectKey", "objectType", "scope", "scopeEntityId", "description"] {
                    assert_eq!(got[name], body[name], "{name}");
                }
                assert_eq!((&got["id"], &got["createdBy"]["apiTokenName"]), (&json!(id), &json!("First owner")));
                let again = world.post(&objects(&world, ""), body).await;
                assert!(again.message().contains(&format!("{key:?}")), "{}", again.message());
                again.expect(409);
            }
        }
        let kept = world.dump().await;
        for secret in ["the password", "the key", "the value", "the token", "db.example.com"] {
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!kept.contains(secret) && !kept.to_lowercase().contains(&hex), "{secret} is kept in the clear");
        }
    }

    /// Secret values are answered only where the Organization allows that, and only in lists.
    async fn secrets_are_shown_where_the_organization_allows_it(world) {
        world.environment_object(of_workspace(&world, "CONNECTION", "warehouse", json!({"connection": warehouse()}))).await;
        let path = objects(&world, &format!("?workspaceId={}&showSecrets=true", world.workspace));
        let refused = world.get(&path).await;
        // The stock CLI tells this refusal from others by these words.
        let told = refused.message().to_lowercase();
        assert!(["showsecrets", "organization", "not allowed"].iter().all(|word| told.contains(word)), "{told}");
        refused.expect(403);
        allow_secrets(&world).await;
        let page = world.get(&path).await.expect(200);
        assert_eq!(page["environmentObjects"][0]["connection"], warehouse());
        let hidden = world.get(&path.replace("true", "false")).await.expect(200);
        assert!(!hidden.to_string().contains("the password"));

        let log = world.audit_log().await;
        let readings: Vec<_> = log.iter().filter(|record| record["outcome"] == "READ").collect();
        let [reading] = readings[..] else { panic!("one reading: {readings:?}") };
        assert_eq!(reading["operationId"], "ListEnvironmentObjects");
        assert_eq!([&reading["entityType"], &reading["entityId"]], [&json!("workspace"), &json!(world.workspace)]);
    }

    /// What is wrong is told with the field's name, and nothing is made.
    async fn bad_input_names_the_field(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let foreign = world.new_deployment(&elsewhere, false).await;
        let deployment = world.deployment.as_str();
        let before = world.dump().await;
        for (field, change) in [
            ("objectKey", json!({"objectKey": ""})),
            ("objectKey", json!({"objectKey": "a/b"})),
            ("objectKey", json!({"objectKey": ".."})),
            ("objectKey", json!({"objectType": "ENVIRONMENT_VARIABLE", "objectKey": "1A", "environmentVariable": {}, "connection": null})),
            ("objectKey", json!({"objectType": "AIRFLOW_VARIABLE", "objectKey": "a//b", "airflowVariable": {}, "connection": null})),
            ("objectType", json!({"objectType": "POOL"})),
            ("scope", json!({"scope": "ORGANIZATION"})),
            ("scopeEntityId", json!({"scopeEntityId": "cnobody"})),
            ("scopeEntityId", json!({"scope": "DEPLOYMENT"})),
            ("connection", json!({"connection": null})),
            ("connection.type", json!({"connection": {"host": "x"}})),
            ("connection.port", json!({"connection": {"type": "http", "port": 65_536}})),
            ("connection.authTypeId", json!({"connection": {"type": "http", "authTypeId": "x"}})),
            ("airflowVariable", json!({"airflowVariable": {"value": "x"}})),
            ("description", json!({"description": "x".repeat(501)})),
            ("links[0].scopeEntityId", json!({"links": [link(&foreign, json!({}))]})),
            ("links", json!({"links": [link(deployment, json!({})), link(deployment, json!({}))]})),
            ("links[0].overrides.metricsExport", json!({"links": [link(deployment, json!({"metricsExport": {}}))]})),
            ("links[0].overrides.connection.port", json!({"links": [link(deployment, json!({"connection": {"port": -1}}))]})),
            ("excludeLinks[0].scopeEntityId", json!({"excludeLinks": [exclusion("cnobody")]})),
            ("excludeLinks", json!({"links": [link(deployment, json!({}))], "excludeLinks": [exclusion(deployment)]})),
        ] {
            let body = of_workspace(&world, "CONNECTION", "warehouse", json!({"connection": {"type": "http"}}));
            let mut body = body.as_object().expect("an object").clone();
            body.extend(change.as_object().expect("an object").clone());
            let answer = world.post(&objects(&world, ""), body.into()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{change}: {}", answer.json);
        }
        for more in [json!({"autoLinkDeployments": true}), json!({"links": [link(deployment, json!({}))]})] {
            let mut body = of_deployment("CONNECTION", "x", deployment, more);
            body["connection"] = json!({"type": "http"});
            world.post(&objects(&world, ""), body).await.expect(400);
        }
        assert_eq!(world.dump().await, before);
        let both = format!("?workspaceId={}&deploymentId={}", world.workspace, world.deployment);
        assert_eq!(world.get(&objects(&world, &both)).await.fields(), ["deploymentId"]);
    }

    /// What no process can have in its environment is no environment variable's value, wherever it
    /// is given.
    async fn an_environment_variable_has_no_zero_byte(world) {
        let deployment = world.deployment.as_str();
        let bad = json!({"value": "a\0b"});
        let made = json!({"environmentVariable": {"value": "good"}});
        let id = world.environment_object(of_workspace(&world, "ENVIRONMENT_VARIABLE", "GOOD", made.clone())).await;
        let (all, one) = (objects(&world, ""), objects(&world, &format!("/{id}")));
        let links = json!([link(deployment, json!({})), link(deployment, json!({"environmentVariable": bad}))]);
        let overridden = of_workspace(&world, "ENVIRONMENT_VARIABLE", "A", json!({
            "environmentVariable": {"value": "good"}, "links": links,
        }));
        let before = world.dump().await;
        for (path, body, field) in [
            (&all, of_workspace(&world, "ENVIRONMENT_VARIABLE", "A", json!({"environmentVariable": bad})), "environmentVariable.value"),
            (&all, of_deployment("ENVIRONMENT_VARIABLE", "A", deployment, json!({"environmentVariable": bad})), "environmentVariable.value"),
            (&all, overridden, "links[1].overrides.environmentVariable.value"),
            (&one, json!({"environmentVariable": bad}), "environmentVariable.value"),
            (&one, json!({"links": links}), "links[1].overrides.environmentVariable.value"),
        ] {
            let answer = world.post(path, body).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{}", answer.json);
        }
        assert_eq!(world.dump().await, before);
        // An Airflow variable is no part of an environment.
        world.environment_object(of_workspace(&world, "AIRFLOW_VARIABLE", "a", json!({"airflowVariable": bad}))).await;
    }

    /// A page of a thousand objects is in memory at once, so that each is bounded; so are links.
    async fn an_object_is_bounded(world) {
        let variable = |bytes: usize| {
            let value = json!({"airflowVariable": {"value": "x".repeat(bytes), "isSecret": false}});
            of_workspace(&world, "AIRFLOW_VARIABLE", &format!("of_{bytes}"), value)
        };
        let made = world.post(&objects(&world, ""), variable(60_000)).await.expect(200);
        let refused = world.post(&objects(&world, ""), variable(70_000)).await.expect(400);
        assert!(refused["message"].as_str().is_some_and(|said| said.contains("65536 bytes")), "{refused}");
        let links = vec![link(world.deployment.as_str(), json!({})); 1001];
        let body = of_workspace(&world, "AIRFLOW_VARIABLE", "linked", json!({"links": links}));
        let refused = world.post(&objects(&world, ""), body).await.expect(400);
        assert_eq!(refused["fieldErrors"][0]["field"], "links", "{refused}");

        // Four Deployments can have 60,000 bytes of their own each, and a fifth cannot.
        let mut deployments = vec![world.deployment.to_string()];
        for _ in 0..4 {
            deployments.push(world.new_deployment(world.workspace.as_str(), false).await);
        }
        let different = json!({"airflowVariable": {"value": "y".repeat(60_000)}});
        let links: Vec<Value> = deployments.iter().map(|id| link(id, different.clone())).collect();
        let path = objects(&world, &format!("/{}", made["id"].as_str().expect("an id")));
        world.post(&path, json!({"links": links[..4]})).await.expect(200);
        let refused = world.post(&path, json!({"links": links})).await;
        assert_eq!((refused.status, refused.fields()), (400, vec!["links"]), "{}", refused.json);
        let page = world.get(&objects(&world, "?limit=5000")).await.expect(200);
        assert_eq!((&page["limit"], &page["totalCount"]), (&json!(1000), &json!(1)));
    }

    /// An update changes what it names. A secret that comes back as it was shown stays.
    async fn an_update_keeps_what_it_does_not_name(world) {
        allow_secrets(&world).await;
        let deployment = world.deployment.to_string();
        let id = world.environment_object(of_deployment("CONNECTION", "warehouse", &deployment, json!({
            "connection": warehouse(), "description": "first",
        }))).await;
        let path = objects(&world, &format!("/{id}"));
        let changed = world.post(&path, json!({"connection": {"type": "mysql", "port": 3306}})).await.expect(200);
        assert_eq!((&changed["connection"]["type"], &changed["connection"]["host"]), (&json!("mysql"), &json!("db.example.com")));
        assert_eq!(changed["description"], "first");
        let now = resolved(&world, &deployment, "warehouse").await.expect("an object");
        assert_eq!((&now["connection"]["password"], &now["connection"]["port"]), (&json!("the password"), &json!(3306)));

        let id = world.environment_object(of_deployment("AIRFLOW_VARIABLE", "secret", &deployment, json!({
            "airflowVariable": {"value": "one", "isSecret": true},
        }))).await;
        let path = objects(&world, &format!("/{id}"));
        for (value, then) in [("", "one"), ("two", "two")] {
            let changed = world.post(&path, json!({"airflowVariable": {"value": value}})).await.expect(200);
            assert_eq!(changed["airflowVariable"], json!({"value": "", "isSecret": true}));
            let now = resolved(&world, &deployment, "secret").await.expect("an object");
            assert_eq!(now["airflowVariable"]["value"], then);
        }
        let refused = world.post(&path, json!({"connection": {"type": "http"}})).await;
        assert_eq!((refused.status, refused.fields()), (400, vec!["connection"]));
        world.delete(&path).await.expect(204);
        world.get(&path).await.expect(404);
        world.delete(&path).await.expect(404);
    }

    /// What is set again no longer depends on an older master key; a variable can be set also when
    /// that is gone, and is secret then.
    async fn what_is_set_again_has_the_new_master_key(world) {
        let deployment = world.deployment.to_string();
        let variable = |value: &str| json!({"airflowVariable": {"value": value, "isSecret": true}});
        let value = |value: &str| json!({"airflowVariable": {"value": value}});
        let mut linked = variable("one");
        linked["links"] = json!([link(&deployment, value("of one"))]);
        let one = world.environment_object(of_workspace(&world, "AIRFLOW_VARIABLE", "one", linked)).await;
        let two = world.environment_object(of_workspace(&world, "AIRFLOW_VARIABLE", "two", variable("two"))).await;
        let connection = json!({"connection": warehouse()});
        let three = world.environment_object(of_workspace(&world, "CONNECTION", "three", connection.clone())).await;
        let path = |world: &World, id: &str| objects(world, &format!("/{id}"));
        let with_old_key = async |world: &World| {
            let tables = ["environment_objects", "environment_object_links"].map(|table| world.database.dump(table));
            let [objects, links] = tables;
            (objects.await + &links.await).matches("ktest").count()
        };
        assert_eq!(with_old_key(&world).await, 4);

        let new = "knew:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
        let world = world.restarted_under(&format!("{new}\n{MASTER_KEY}")).await;
        world.post(&path(&world, &one), value("one")).await.expect(200);
        assert_eq!(with_old_key(&world).await, 3);

        let world = world.restarted_under(new).await;
        allow_secrets(&world).await;
        // The override of "one" was not set again.
        world.get(&path(&world, &one)).await.expect(500);
        let links = json!({"links": [link(&deployment, value("of one again"))]});
        world.post(&path(&world, &one), links).await.expect(200);
        world.post(&path(&world, &two), json!({"description": "new"})).await.expect(500);
        let changed = world.post(&path(&world, &two), value("two again")).await.expect(200);
        assert_eq!(changed["airflowVariable"], json!({"value": "", "isSecret": true}));
        assert_eq!(with_old_key(&world).await, 1);
        // Nobody knows what else a connection had.
        world.post(&path(&world, &three), json!({"connection": {"type": "mysql"}})).await.expect(500);
        world.delete(&path(&world, &three)).await.expect(204);
        let found = resolved(&world, &deployment, "one").await.expect("an object");
        assert_eq!(found["airflowVariable"]["value"], "of one again");
    }

    /// A Deployment has what is linked to it, with what is different for it; its own comes first.
    async fn a_deployment_has_what_is_linked_to_it(world) {
        allow_secrets(&world).await;
        let workspace = world.workspace.to_string();
        let (one, two) = (world.deployment.to_string(), world.new_deployment(&workspace, false).await);
        let id = world.environment_object(of_workspace(&world, "CONNECTION", "warehouse", json!({
            "connection": warehouse(),
            "links": [link(&one, json!({"connection": {"host": "one.example.com", "password": "of one"}}))],
        }))).await;
        let path = objects(&world, &format!("/{id}"));
        let of_one = resolved(&world, &one, "warehouse").await.expect("an object");
        assert_eq!((&of_one["scope"], &of_one["scopeEntityId"]), (&json!("DEPLOYMENT"), &json!(one)));
        assert_eq!((&of_one["sourceScope"], &of_one["sourceScopeEntityId"]), (&json!("WORKSPACE"), &json!(workspace)));
        let connection = &of_one["connection"];
        assert_eq!((&connection["host"], &connection["password"], &connection["login"]), (&json!("one.example.com"), &json!("of one"), &json!("etl")));
        assert!(of_one.get("links").is_none());
        assert_eq!(resolved(&world, &two, "warehouse").await, None);

        // What a client was shown, sent back, takes nothing away.
        let got = world.get(&path).await.expect(200);
        let shown = &got["links"][0];
        assert_eq!(shown["connectionOverrides"], json!({"host": "one.example.com"}));
        assert_eq!(shown["setFields"], json!(["host", "password"]));
        let links = json!({"links": [link(&one, json!({"connection": shown["connectionOverrides"]})), exclusion(&two)]});
        let changed = world.post(&path, links).await.expect(200);
        assert_eq!(changed["links"][0], *shown);
        assert_eq!(resolved(&world, &one, "warehouse").await.expect("an object")["connection"]["password"], "of one");
        assert_eq!(resolved(&world, &two, "warehouse").await.expect("an object")["connection"], warehouse());

        // Single fields, and all.
        for (overrides, host, password) in [
            (json!({"unsetFields": ["password"]}), "one.example.com", "the password"),
            (json!({"connection": {"login": "other"}}), "one.example.com", "the password"),
            (json!({"connection": {}}), "db.example.com", "the password"),
        ] {
            world.post(&path, json!({"links": [link(&one, overrides.clone())]})).await.expect(200);
            let now = resolved(&world, &one, "warehouse").await.expect("an object");
            assert_eq!((&now["connection"]["host"], &now["connection"]["password"]), (&json!(host), &json!(password)), "{overrides}");
        }
        assert_eq!(resolved(&world, &two, "warehouse").await, None, "the list replaced the one that was there");

        let own = of_deployment("CONNECTION", "warehouse", &one, json!({"connection": {"type": "sqlite"}}));
        world.environment_object(own).await;
        let of_one = resolved(&world, &one, "warehouse").await.expect("an object");
        assert_eq!((&of_one["connection"]["type"], &of_one["sourceScope"]), (&json!("sqlite"), &json!("DEPLOYMENT")));
        // The same key is another thing for another type.
        let other = of_workspace(&world, "AIRFLOW_VARIABLE", "warehouse", json!({"airflowVariable": {"value": "x"}, "autoLinkDeployments": true}));
        world.environment_object(other).await;
        let path = objects(&world, &format!("?deploymentId={one}&resolveLinked=true&sorts=objectType:asc"));
        assert_eq!(keys(&world.get(&path).await.expect(200)), ["warehouse", "warehouse"]);
    }

    /// What all Deployments have, also those that are made later; but for those that are excluded.
    async fn auto_link_and_exclusions(world) {
        allow_secrets(&world).await;
        let (workspace, one) = (world.workspace.to_string(), world.deployment.to_string());
        let variable = json!({"airflowVariable": {"value": "all"}, "autoLinkDeployments": true, "excludeLinks": [exclusion(&one)]});
        let id = world.environment_object(of_workspace(&world, "AIRFLOW_VARIABLE", "region", variable)).await;
        let path = objects(&world, &format!("/{id}"));
        let later = world.new_deployment(&workspace, false).await;
        assert_eq!(resolved(&world, &one, "region").await, None);
        assert!(resolved(&world, &later, "region").await.is_some());

        let exclude = |deployment: &str| (objects(&world, &format!("/{id}/exclude-linking")), exclusion(deployment));
        for _ in 0..2 {
            let (path, body) = exclude(&later);
            let answer = world.post(&path, body).await;
            assert_eq!((answer.status, answer.bytes.len()), (200, 0));
            assert_eq!(resolved(&world, &later, "region").await, None);
        }
        // A name or a value changes without the lists, which stay then.
        let changed = world.post(&path, json!({"airflowVariable": {"value": "other"}})).await.expect(200);
        assert_eq!(changed["excludeLinks"], json!([exclusion(&one), exclusion(&later)]));
        assert_eq!(changed["autoLinkDeployments"], true);
        world.post(&path, json!({"excludeLinks": [exclusion(&one)]})).await.expect(200);
        assert_eq!(resolved(&world, &later, "region").await.expect("an object")["airflowVariable"]["value"], "other");

        world.post(&path, json!({"links": [link(&later, json!({"airflowVariable": {"value": "mine"}}))], "autoLinkDeployments": false})).await.expect(200);
        assert_eq!(resolved(&world, &later, "region").await.expect("an object")["airflowVariable"]["value"], "mine");
        let (exclude_path, body) = exclude(&later);
        world.post(&exclude_path, body).await.expect(409);
        let (exclude_path, body) = exclude("cnobody");
        assert_eq!(world.post(&exclude_path, body).await.fields(), ["scopeEntityId"]);

        // What is gone is linked to nothing.
        world.delete(&world.path(&format!("/deployments/{later}"))).await.expect(204);
        assert_eq!(world.get(&path).await.expect(200)["links"], json!([]));
        world.delete(&world.path(&format!("/workspaces/{workspace}"))).await.expect(204);
        world.get(&path).await.expect(404);
        assert!(!world.dump().await.contains(&id));
    }

    /// Whoever has a role on one Deployment sees and changes what is that Deployment's, and may keep
    /// it from what all have.
    async fn roles_reach_as_far_as_their_thing(world) {
        let (workspace, own) = (world.workspace.to_string(), world.deployment.to_string());
        let other = world.new_deployment(&workspace, false).await;
        let variable = |value: &str| json!({"airflowVariable": {"value": value}});
        let shared = world.environment_object(of_workspace(&world, "AIRFLOW_VARIABLE", "shared", json!({
            "airflowVariable": {"value": "x"}, "autoLinkDeployments": true,
        }))).await;
        let unshared = world.environment_object(of_workspace(&world, "AIRFLOW_VARIABLE", "unshared", variable("x"))).await;
        let foreign = world.environment_object(of_deployment("AIRFLOW_VARIABLE", "foreign", &other, variable("x"))).await;
        let (_, admin) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let call = async |method: &str, rest: &str, body: Value| world.call(Some(&admin), method, &objects(&world, rest), &body).await;

        let mine = call("POST", "", of_deployment("AIRFLOW_VARIABLE", "mine", &own, variable("x"))).await.expect(200);
        let mine = mine["id"].as_str().expect("an id");
        assert_eq!(keys(&call("GET", "", Value::Null).await.expect(200)), ["mine"]);
        assert_eq!(keys(&call("GET", &format!("?deploymentId={own}&resolveLinked=true&sorts=objectKey:asc"), Value::Null).await.expect(200)), ["mine", "shared"]);
        assert_eq!(keys(&call("GET", &format!("?deploymentId={own}"), Value::Null).await.expect(200)), ["mine"]);
        call("GET", &format!("?deploymentId={other}"), Value::Null).await.expect(404);
        call("GET", &format!("?workspaceId={workspace}"), Value::Null).await.expect(403);
        call("POST", "", of_workspace(&world, "AIRFLOW_VARIABLE", "new", variable("x"))).await.expect(403);
        let hidden = call("POST", "", of_deployment("AIRFLOW_VARIABLE", "new", &other, variable("x"))).await;
        assert_eq!((hidden.status, hidden.fields()), (400, vec!["scopeEntityId"]));
        for id in [&shared, &foreign] {
            for method in ["GET", "DELETE"] {
                call(method, &format!("/{id}"), Value::Null).await.expect(404);
            }
            call("POST", &format!("/{id}"), variable("y")).await.expect(404);
        }
        call("POST", &format!("/{mine}"), variable("y")).await.expect(200);
        for (id, deployment, status) in [(&shared, &other, 404), (&unshared, &own, 404), (&foreign, &own, 404), (&shared, &own, 200)] {
            let answer = call("POST", &format!("/{id}/exclude-linking"), exclusion(deployment)).await;
            assert_eq!(answer.status, status, "{}", answer.json);
        }
        assert_eq!(keys(&call("GET", &format!("?deploymentId={own}&resolveLinked=true"), Value::Null).await.expect(200)), ["mine"]);
        call("DELETE", &format!("/{mine}"), Value::Null).await.expect(204);

        let (_, member) = world.workspace_token("WORKSPACE_MEMBER").await;
        world.call(Some(&member), "GET", &objects(&world, ""), &Value::Null).await.expect(403);
        let (_, operator) = world.workspace_token("WORKSPACE_OPERATOR").await;
        let all = world.call(Some(&operator), "GET", &objects(&world, "?sorts=objectKey:desc"), &Value::Null).await.expect(200);
        assert_eq!(keys(&all), ["unshared", "shared", "foreign"]);
        let stranger = world.second_organization().await;
        let there = format!("/v1/organizations/{}/environment-objects/{shared}", stranger.organization);
        world.call(Some(&stranger.owner), "GET", &there, &Value::Null).await.expect(404);
        let linked = object("CONNECTION", "x", "WORKSPACE", stranger.workspace.as_str(), json!({
            "connection": {"type": "http"}, "links": [link(&own, json!({}))],
        }));
        let there = format!("/v1/organizations/{}/environment-objects", stranger.organization);
        let answer = world.call(Some(&stranger.owner), "POST", &there, &linked).await;
        assert_eq!((answer.status, answer.fields()), (400, vec!["links[0].scopeEntityId"]));
    }
}
