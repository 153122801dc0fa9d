//! `/v1/organizations/{organizationId}/deployments/{deploymentId}/hibernation-override`, and
//! Deployments that sleep: what is said of them, and what their workers get.

use airlock_tests::{Site, Worker, World, on_both, site::TASK};
use serde_json::{Value, json};

const NIGHTS: &str = r#"[{"hibernateAtCron": "0 20 * * *", "wakeAtCron": "0 6 * * *", "isEnabled": true}]"#;

fn nights() -> Value {
    serde_json::from_str(NIGHTS).expect("JSON")
}

fn path_of(world: &World, deployment: &str) -> String {
    world.path(&format!("/deployments/{deployment}"))
}

fn override_of(world: &World, deployment: &str) -> String {
    format!("{}/hibernation-override", path_of(world, deployment))
}

/// Makes the Deployment one for development, or not, with a hibernation spec.
async fn settle(world: &World, deployment: &str, is_development: bool, spec: Value) -> Value {
    let was = world.get(&path_of(world, deployment)).await.expect(200);
    let body = json!({
        "name": was["name"], "workspaceId": was["workspaceId"], "type": "STANDARD", "executor": "CELERY",
        "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false, "schedulerSize": "SMALL",
        "environmentVariables": was["environmentVariables"], "isDevelopmentMode": is_development,
        "scalingSpec": {"hibernationSpec": spec},
    });
    world.post(&path_of(world, deployment), body).await.expect(200)
}

/// What the Deployment says of itself, once alone and once in the list.
async fn said(world: &World, deployment: &str) -> Value {
    let one = world.get(&path_of(world, deployment)).await.expect(200);
    let all = world.get(&world.path(&format!("/deployments?deploymentIds={deployment}"))).await.expect(200);
    assert_eq!(all["deployments"][0], one);
    one
}

/// The same, in short: its status, and what happens next and when.
async fn status(world: &World, deployment: &str) -> (String, String) {
    let said = said(world, deployment).await;
    let sleep = &said["scalingStatus"]["hibernationStatus"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_hibernating = said["status"] == "HIBERNATING";
    assert_eq!(sleep["isHibernating"].as_bool().unwrap_or_default(), is_hibernating, "{said}");
    if is_hibernating {
        assert_eq!(said["statusReason"], sleep["reason"], "{said}");
    }
    (text(&said["status"]), format!("{} {}", text(&sleep["nextEventType"]), text(&sleep["nextEventAt"])))
}

/// Holds that the worker is given nothing, and the Airflow not asked.
async fn assert_idle(world: &World, site: &Site, worker: &Worker) {
    let asked = site.airflow.calls().len();
    assert_eq!(worker.fetch(world).await.expect_own(200), Value::Null);
    assert_eq!(site.airflow.calls().len(), asked, "the Airflow would have handed out a job");
}

on_both! {
    /// While it sleeps, no work is handed out, and what runs goes on to its end; it wakes by the
    /// clock, and takes the work that has come up meanwhile.
    async fn a_night_at_the_gate(world) {
        let site = Site::with_secret(&world).await;
        settle(&world, &site.deployment, true, json!({"schedules": nights()})).await;
        world.clock.advance(19 * 3600 + 3599); // 19:59:59
        let (worker, key, token) = site.running(&world, "one", "first", TASK).await;
        let later = airlock_tests::airflow::JobKey::new("later");
        site.airflow.queue_job(&later, "01a20c4c-41c5-784e-98e6-afeb7d01b68f", "default");

        world.clock.advance(1);
        assert_eq!(status(&world, &site.deployment).await, ("HIBERNATING".into(), "WAKE 2026-01-02T06:00:00Z".into()));
        assert_idle(&world, &site, &worker).await;
        assert_eq!(worker.heartbeat(&world, "running").await.expect_own(200)["state"], "running");
        let (run, beat) = (format!("task-instances/{TASK}/run"), format!("task-instances/{TASK}/heartbeat"));
        worker.call(&world, "PATCH", &format!("jobs/state/{}/running", key.path()), &Value::Null).await.expect_own(200);
        let begun = worker.task_call(&world, &token, "PATCH", &run, &json!({})).await;
        assert_eq!(begun.status, 200);
        let renewed = begun.headers["refreshed-api-token"].to_str().expect("text");
        worker.task_call(&world, renewed, "PUT", &beat, &json!({})).await.expect_own(204);
        let log = json!({"log_chunk_time": "2026-01-01T20:00:00Z", "log_chunk_data": "on it goes\n"});
        worker.call(&world, "POST", &format!("logs/push/{}", key.path()), &log).await.expect_own(200);
        worker.call(&world, "PATCH", &format!("jobs/state/{}/success", key.path()), &Value::Null).await.expect_own(200);
        assert!(site.airflow.calls().last().is_some_and(|call| call.path.ends_with("/success")), "the Airflow heard it");

        world.clock.advance(10 * 3600 - 1); // 05:59:59
        assert_idle(&world, &site, &worker).await;
        world.clock.advance(1);
        assert_eq!(worker.fetch(&world).await.expect_own(200)["dag_id"], "later");
        let (status, next) = status(&world, &site.deployment).await;
        assert_ne!(status, "HIBERNATING");
        assert_eq!(next, "HIBERNATE 2026-01-02T20:00:00Z");
    }

    /// An override acts on the next request, and ends by the clock or by being removed.
    async fn overrides_at_the_gate(world) {
        let site = Site::with_secret(&world).await;
        settle(&world, &site.deployment, true, json!({"schedules": nights()})).await;
        let path = override_of(&world, &site.deployment);
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        assert_idle(&world, &site, &worker).await; // it is midnight
        let work = async |what: &str| {
            site.airflow.queue_job(&airlock_tests::airflow::JobKey::new(what), TASK, "default");
            assert_eq!(worker.fetch(&world).await.expect_own(200)["dag_id"], what);
        };

        let awake = json!({"isHibernating": false, "overrideUntil": "2026-01-01T01:00:00Z"});
        let made = world.post(&path, awake).await.expect(200);
        assert_eq!(made, json!({"isActive": true, "isHibernating": false, "overrideUntil": "2026-01-01T01:00:00Z"}));
        assert_eq!(status(&world, &site.deployment).await.1, "HIBERNATE 2026-01-01T01:00:00Z");
        work("awake").await;
        world.clock.advance(3600);
        assert_idle(&world, &site, &worker).await;
        let spec = &said(&world, &site.deployment).await["scalingSpec"]["hibernationSpec"];
        assert_eq!(spec["override"]["isActive"], false, "{spec}");
        assert_eq!(spec["schedules"], nights());

        world.clock.advance(11 * 3600); // noon
        work("noon").await;
        let asleep = world.post(&path, json!({"isHibernating": true})).await.expect(200);
        assert_eq!(asleep, json!({"isActive": true, "isHibernating": true}));
        assert_eq!(status(&world, &site.deployment).await, ("HIBERNATING".into(), " ".into()));
        world.clock.advance(3 * 24 * 3600);
        assert_idle(&world, &site, &worker).await;
        for _ in 0..2 {
            let gone = world.delete(&path).await;
            assert_eq!((gone.status, gone.bytes.len()), (204, 0));
        }
        work("again").await;
        assert_eq!(said(&world, &site.deployment).await["scalingSpec"]["hibernationSpec"], json!({"schedules": nights()}));
        let log = world.audit_log().await;
        let of = |operation: &str| log.iter().filter(|record| record["operationId"] == operation).count();
        assert_eq!((of("UpdateDeploymentHibernationOverride"), of("DeleteDeploymentHibernationOverride")), (2, 2));
    }

    /// How its Airflow is found to be is no matter while it sleeps, and is told when it wakes.
    async fn a_look_at_the_airflow_does_not_wake_it(world) {
        let site = Site::with_secret(&world).await;
        settle(&world, &site.deployment, true, json!({})).await;
        let look = format!("{}/airflow-check", path_of(&world, &site.deployment));
        assert_eq!(world.get(&look).await.expect(200)["status"], "HEALTHY");
        assert_eq!(status(&world, &site.deployment).await.0, "HEALTHY");
        world.post(&override_of(&world, &site.deployment), json!({"isHibernating": true})).await.expect(200);
        assert_eq!(status(&world, &site.deployment).await.0, "HIBERNATING");
        assert_eq!(world.get(&look).await.expect(200)["status"], "HEALTHY");
        let asleep = said(&world, &site.deployment).await;
        assert_eq!(asleep["status"], "HIBERNATING");
        assert_eq!(asleep["statusReason"], "an override holds until it is removed");
        assert_eq!(asleep["airflowVersion"], "3.3.2");
        world.delete(&override_of(&world, &site.deployment)).await.expect(204);
        assert_eq!(status(&world, &site.deployment).await.0, "HEALTHY");
    }

    /// Only a Deployment for development sleeps: others are not given rules, and keep those that
    /// they have without following them.
    async fn only_for_development(world) {
        let deployment = world.deployment.to_string();
        let path = override_of(&world, &deployment);
        let before = world.dump().await;
        let refused = world.post(&path, json!({"isHibernating": true})).await;
        assert_eq!(refused.status, 400);
        assert!(refused.message().contains("isDevelopmentMode"), "{}", refused.json);
        let new = |spec: Value| json!({
            "name": "x", "workspaceId": world.workspace, "scalingSpec": {"hibernationSpec": spec},
        });
        for spec in [json!({"schedules": nights()}), json!({"override": {"isHibernating": true}})] {
            let refused = world.post(&world.path("/deployments"), new(spec)).await;
            assert_eq!((refused.status, refused.fields()), (400, vec!["scalingSpec.hibernationSpec"]), "{}", refused.json);
        }
        assert_eq!(world.dump().await, before);
        world.post(&world.path("/deployments"), new(json!({"schedules": []}))).await.expect(200);

        settle(&world, &deployment, true, json!({"schedules": nights()})).await;
        assert_eq!(status(&world, &deployment).await.0, "HIBERNATING");
        let was = said(&world, &deployment).await;
        let body = json!({
            "name": "x", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false,
            "schedulerSize": "SMALL", "environmentVariables": [], "isDevelopmentMode": false,
        });
        world.post(&path_of(&world, &deployment), body).await.expect(200);
        let now = said(&world, &deployment).await;
        assert_eq!(now["scalingSpec"], was["scalingSpec"]);
        assert_eq!(now["status"], "UNKNOWN");
        let sleep = &now["scalingStatus"]["hibernationStatus"];
        assert_eq!(sleep["isHibernating"], false);
        assert!(sleep["reason"].as_str().is_some_and(|reason| reason.contains("development")), "{sleep}");
        world.delete(&path).await.expect(204);
    }

    /// Where there are no rules, none are told: clients take an empty object for some.
    async fn no_rules_are_absent(world) {
        let deployment = world.deployment.to_string();
        let (path, at_will) = (override_of(&world, &deployment), json!({"isHibernating": true}));
        let told = async || {
            let said = said(&world, &deployment).await;
            (said.get("scalingSpec").cloned(), said.get("scalingStatus").is_some())
        };
        assert_eq!(settle(&world, &deployment, true, json!({})).await.get("scalingSpec"), None);
        assert_eq!(told().await, (None, false));
        world.post(&path, at_will.clone()).await.expect(200);
        let alone = json!({"hibernationSpec": {"override": {"isActive": true, "isHibernating": true}}});
        assert_eq!(told().await, (Some(alone), true));
        world.delete(&path).await.expect(204);
        assert_eq!(told().await, (None, false));

        // A list of none was given, and comes back.
        settle(&world, &deployment, true, json!({"schedules": []})).await;
        let none = Some(json!({"hibernationSpec": {"schedules": []}}));
        assert_eq!(told().await, (none.clone(), true));
        world.post(&path, at_will).await.expect(200);
        world.delete(&path).await.expect(204);
        assert_eq!(told().await, (none, true));
    }

    /// Times of a zone of their own, and of several schedules.
    async fn time_zones(world) {
        let deployment = world.deployment.to_string();
        let spec = json!({"schedules": [
            {"hibernateAtCron": "0 20 * * *", "wakeAtCron": "0 6 * * *", "isEnabled": true, "timeZone": "America/New_York"},
            {"hibernateAtCron": "0 18 * * fri", "wakeAtCron": "0 8 * * mon", "isEnabled": true, "timeZone": "Asia/Kolkata",
             "description": "weekends"},
            {"hibernateAtCron": "* * * * *", "wakeAtCron": "0 0 1 1 *", "isEnabled": false},
        ]});
        let made = settle(&world, &deployment, true, spec.clone()).await;
        assert_eq!(made["scalingSpec"]["hibernationSpec"]["schedules"], spec["schedules"]);
        // Thursday, 19:00 in New York.
        assert_eq!(status(&world, &deployment).await.1, "HIBERNATE 2026-01-01T01:00:00Z");
        world.clock.advance(2 * 3600);
        assert_eq!(status(&world, &deployment).await, ("HIBERNATING".into(), "WAKE 2026-01-01T11:00:00Z".into()));
        world.clock.advance(2 * 24 * 3600); // Saturday
        assert_eq!(status(&world, &deployment).await, ("HIBERNATING".into(), "WAKE 2026-01-05T11:00:00Z".into()));
    }

    /// What is wrong is named, and changes nothing.
    async fn bad_requests_name_the_field(world) {
        let deployment = world.deployment.to_string();
        settle(&world, &deployment, true, json!({"schedules": nights()})).await;
        let before = world.dump().await;
        let path = override_of(&world, &deployment);
        for (body, field) in [
            (json!({}), "isHibernating"),
            (json!({"isHibernating": null}), "isHibernating"),
            (json!({"isHibernating": "yes"}), "isHibernating"),
            (json!({"isHibernating": true, "overrideUntil": "tomorrow"}), "overrideUntil"),
            (json!({"isHibernating": true, "overrideUntil": 7}), "overrideUntil"),
            (json!({"isHibernating": true, "overrideUntil": "2025-12-31T23:59:59Z"}), "overrideUntil"),
            (json!({"isHibernating": true, "overrideUntil": "2026-01-01T00:00:00Z"}), "overrideUntil"),
        ] {
            let answer = world.post(&path, body.clone()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{body}: {}", answer.json);
            answer.assert_envelope();
        }
        let schedule = |field: &str, value: &str| {
            let mut schedule = nights()[0].clone();
            schedule[field] = json!(value);
            json!({"hibernationSpec": {"schedules": [nights()[0], schedule]}})
        };
        for (field, value) in [
            ("hibernateAtCron", "at night"),
            ("hibernateAtCron", "0 0 * * * *"),
            ("hibernateAtCron", "0 0 30 2 *"),
            ("wakeAtCron", "61 * * * *"),
            ("wakeAtCron", "* * * * * 2027"),
            ("timeZone", "Mars/Olympus"),
            ("timeZone", ""),
            ("timeZone", "../UTC"),
        ] {
            let body = json!({
                "name": "x", "workspaceId": world.workspace, "isDevelopmentMode": true,
                "scalingSpec": schedule(field, value),
            });
            let answer = world.post(&world.path("/deployments"), body).await;
            let field = format!("scalingSpec.hibernationSpec.schedules[1].{field}");
            assert_eq!((answer.status, answer.fields()), (400, vec![field.as_str()]), "{value}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
        world.post(&override_of(&world, "cnowhere"), json!({"isHibernating": true})).await.expect(404);
        // The last instant that can be written.
        let forever = json!({"isHibernating": true, "overrideUntil": "9999-12-31T23:59:59Z"});
        world.post(&path, forever).await.expect(200);
        assert_eq!(status(&world, &deployment).await.0, "HIBERNATING");
    }
}
