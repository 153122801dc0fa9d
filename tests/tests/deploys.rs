//! `/organizations/{organizationId}/deployments/{deploymentId}/deploys`, the uploads that go with it,
//! and what agents get of it.

use std::{num::NonZeroU32, time::Duration};

use airlock_server::{BundleStorage, DeploySettings, Settings};
use airlock_tests::{
    Answer, Database, World,
    archives::{archive, archive_of, gzip, odd_archive},
    on_both,
};
use axum::{body::Body, extract::ConnectInfo, http::Request};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const SALES: &str = "/usr/local/airflow/dbt/sales";

async fn create(world: &World, body: Value) -> Value {
    world.post(&world.deploys(""), body).await.expect(200)
}

async fn finalize(world: &World, deploy: &Value, body: Value) -> Answer {
    world.post(&world.deploys(&format!("/{}/finalize", id(deploy))), body).await
}

async fn roll_back(world: &World, deploy: &Value) -> Answer {
    world.post(&world.deploys(&format!("/{}/rollback", id(deploy))), json!({})).await
}

/// Deploys Dags: the deploy and the version.
async fn deploy(world: &World, archive: &[u8]) -> (Value, String) {
    let made = create(world, json!({"type": "DAG_ONLY"})).await;
    let version = world.upload(&made, archive).await;
    (finalize(world, &made, json!({"dagTarballVersion": version})).await.expect(200), version)
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().expect("an id")
}

fn url(deploy: &Value) -> &str {
    let urls = [&deploy["dagsUploadUrl"], &deploy["bundleUploadUrl"]];
    urls.into_iter().find_map(Value::as_str).expect("an upload URL")
}

fn dags(text: &str) -> Vec<u8> {
    archive(&[("dags/reports.py", text)])
}

/// Asks the gate for something of the Deployment's code, from this machine.
async fn ask(world: &World, method: &str, token: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let peer: std::net::SocketAddr = "127.0.0.1:4711".parse().expect("an address");
    let uri = format!("/d/{}/bundles{path}", world.deployment);
    let mut request = Request::builder().method(method).uri(uri).extension(ConnectInfo(peer));
    request = request.header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::empty()).expect("a request")).await
}

/// What agents get of the Dags; nothing when there are none.
async fn served(world: &World) -> Option<Vec<u8>> {
    let answer = ask(world, "GET", &world.owner, "/dags", &[]).await;
    match answer.status {
        404 => None,
        status => {
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
            Some(answer.bytes)
        }
    }
}

async fn deployment(world: &World) -> Value {
    world.get(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(200)
}

/// Changes some settings of the Deployment.
async fn set(world: &World, settings: &[(&str, Value)]) {
    let was = deployment(world).await;
    let kept = [
        "name",
        "workspaceId",
        "type",
        "executor",
        "isCicdEnforced",
        "isDagDeployEnabled",
        "isHighAvailability",
        "defaultTaskPodCpu",
        "defaultTaskPodMemory",
        "resourceQuotaCpu",
        "resourceQuotaMemory",
        "schedulerSize",
    ];
    let mut body = json!({"environmentVariables": [], "remoteExecution": {"enabled": true}});
    for key in kept {
        body[key] = was[key].clone();
    }
    for (key, value) in settings {
        body[*key] = value.clone();
    }
    world.post(&world.path(&format!("/deployments/{}", world.deployment)), body).await.expect(200);
}

/// Puts a block, as the stock client does.
async fn put_block(world: &World, url: &str, id: &str, bytes: &[u8]) -> Answer {
    let id: String = url_encoded(&STANDARD.encode(id));
    world.put(&format!("{url}&comp=block&blockid={id}"), bytes).await
}

async fn put_list(world: &World, url: &str, ids: &[&str]) -> Answer {
    let ids: String = ids.iter().map(|id| format!("<Latest>{}</Latest>", STANDARD.encode(id))).collect();
    world.put(&format!("{url}&comp=blocklist"), format!("<BlockList>{ids}</BlockList>").as_bytes()).await
}

fn url_encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A server with other bounds for deploys.
async fn bounded(change: impl FnOnce(&mut DeploySettings)) -> World {
    let mut settings = Settings::default();
    change(&mut settings.deploys);
    World::with_settings(Database::sqlite(), settings).await
}

on_both! {
    /// From its creation to what agents get.
    async fn dags_are_deployed(world) {
        let body = json!({
            "type": "DAG_ONLY", "description": "first",
            "git": {"provider": "GITHUB", "commitSha": "abc123", "repo": "dags", "account": "example"},
        });
        let made = create(&world, body.clone()).await;
        assert_eq!((&made["status"], &made["type"], &made["git"]), (&json!("INITIALIZED"), &body["type"], &body["git"]));
        assert_eq!((&made["imageRepository"], &made["imageTag"]), (&json!(""), &json!("")));
        assert_eq!((&made["isDagDeployEnabled"], &made["deploymentId"]), (&json!(true), &json!(world.deployment)));
        assert!(made.get("bundleUploadUrl").is_none());
        let prefix = format!("http://127.0.0.1:8888/uploads/{}/dags?se=1767229200&sig=", id(&made));
        assert!(url(&made).starts_with(&prefix), "{}", url(&made));
        assert_eq!(served(&world).await, None);

        let before = world.audit_log().await.len();
        let bytes = dags("print(1)");
        let version = world.upload(&made, &bytes).await;
        assert_eq!(served(&world).await, None, "what is not finalized is nobody's");
        assert_eq!(world.audit_log().await.len(), before, "an upload changes no record");
        assert!(deployment(&world).await.get("dagTarballVersion").is_none());

        let done = finalize(&world, &made, json!({"dagTarballVersion": version})).await.expect(200);
        assert_eq!((&done["status"], &done["dagTarballVersion"]), (&json!("DEPLOYED"), &json!(version)));
        assert!(done.get("dagsUploadUrl").is_none(), "the link is told once");
        assert_eq!(world.get(&world.deploys(&format!("/{}", id(&made)))).await.expect(200), done);
        assert_eq!(served(&world).await, Some(bytes));
        let deployment = deployment(&world).await;
        for field in ["dagTarballVersion", "desiredDagTarballVersion"] {
            assert_eq!(deployment[field], json!(version));
        }
        let log = world.audit_log().await;
        let last = log.last().expect("a record");
        assert_eq!((&last["operationId"], &last["entityType"]), (&json!("FinalizeDeploy"), &json!("deploy")));
        assert_eq!(last["entityId"], made["id"]);
    }

    /// To finalize once more changes nothing, and no other version is taken.
    async fn finalizing_twice(world) {
        let (first, one) = deploy(&world, &dags("1")).await;
        let (_, two) = deploy(&world, &dags("2")).await;
        let again = finalize(&world, &first, json!({"dagTarballVersion": one})).await.expect(200);
        assert_eq!(again, first);
        assert_eq!(served(&world).await, Some(dags("2")), "the older deploy does not come back");
        finalize(&world, &first, json!({"dagTarballVersion": two})).await.expect(400);
    }

    /// A deploy that is finished takes no upload any more, nor does one whose Deployment is gone.
    async fn a_finished_deploy_takes_no_upload(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let version = world.upload(&made, &dags("1")).await;
        finalize(&world, &made, json!({"dagTarballVersion": version})).await.expect(200);
        world.put(url(&made), &dags("2")).await.expect(409);
        let other = create(&world, json!({"type": "DAG_ONLY"})).await;
        world.delete(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(204);
        world.put(url(&other), &dags("2")).await.expect(404);
    }

    /// What is wrong with a version is said of its field.
    async fn wrong_versions(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let other = create(&world, json!({"type": "DAG_ONLY"})).await;
        let others = world.upload(&other, &dags("1")).await;
        for body in [
            json!({}), json!({"dagTarballVersion": ""}), json!({"dagTarballVersion": "cmjuohs00unknown"}),
            json!({"dagTarballVersion": "../../x"}), json!({"dagTarballVersion": "a\u{e4}"}),
            json!({"dagTarballVersion": "x".repeat(300)}), json!({"dagTarballVersion": others}),
        ] {
            let answer = finalize(&world, &made, body.clone()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec!["dagTarballVersion"]), "{body}: {}", answer.json);
        }
        let answer = finalize(&world, &made, json!({"bundleTarballVersion": others})).await;
        assert_eq!((answer.status, answer.fields()), (400, vec!["bundleTarballVersion"]));
        finalize(&world, &json!({"id": "cnowhere"}), json!({})).await.expect(404);
        assert_eq!(served(&world).await, None);
    }

    /// An archive that is not fit changes nothing, and another one can be uploaded.
    async fn unfit_archives_are_refused(world) {
        deploy(&world, &dags("good")).await;
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let good = dags("better");
        for (what, bytes) in [
            ("no gzip", b"plain".to_vec()),
            ("nothing", Vec::new()),
            ("no tar", gzip(b"plain")),
            ("cut off", good[..good.len() - 20].to_vec()),
            ("an absolute path", odd_archive("/etc/passwd", None)),
            ("a way out", odd_archive("../x", None)),
            ("a link out", odd_archive("x", Some("/etc"))),
        ] {
            let version = world.upload(&made, &bytes).await;
            let answer = finalize(&world, &made, json!({"dagTarballVersion": version})).await;
            assert_eq!((answer.status, answer.fields()), (400, vec!["dagTarballVersion"]), "{what}: {}", answer.json);
            assert_eq!(served(&world).await, Some(dags("good")), "{what}");
        }
        let version = world.upload(&made, &good).await;
        finalize(&world, &made, json!({"dagTarballVersion": version})).await.expect(200);
        assert_eq!(served(&world).await, Some(good));
    }

    /// The blocks of an archive come in any order, and some of them twice.
    async fn an_archive_comes_in_blocks(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let bytes = dags("in blocks");
        let (one, two) = bytes.split_at(bytes.len() / 2);
        assert_eq!(put_block(&world, url(&made), "b/+2", two).await.status, 201);
        assert_eq!(put_block(&world, url(&made), "a", b"not this").await.status, 201);
        assert_eq!(put_block(&world, url(&made), "a", one).await.status, 201);
        let unknown = put_list(&world, url(&made), &["a", "c"]).await;
        assert_eq!((unknown.status, unknown.fields()), (400, vec!["body"]));
        let answer = put_list(&world, url(&made), &["a", "b/+2"]).await;
        assert_eq!(answer.status, 201);
        let version = answer.headers["x-ms-version-id"].to_str().expect("a version");
        // A client that lost the answer asks again, and may use either version.
        let again = put_list(&world, url(&made), &["a", "b/+2"]).await;
        assert_ne!(again.headers["x-ms-version-id"], version);
        finalize(&world, &made, json!({"dagTarballVersion": version})).await.expect(200);
        assert_eq!(served(&world).await, Some(bytes));
    }

    /// Who may upload: whoever has the link, for its deploy, its part and its time.
    async fn links_are_signed_and_end(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let other = create(&world, json!({"type": "DAG_ONLY"})).await;
        let url = url(&made);
        let (path, query) = url.split_once('?').expect("a query");
        for bad in [
            path.to_owned(),
            format!("{path}?se=1767229200"),
            format!("{path}?se=1767229200&sig="),
            format!("{path}?se=1767229200&sig=AAAA"),
            url.replace(id(&made), id(&other)),
            url.replace("/dags?", "/bundle?"),
            url.replace("se=1767229200", "se=1767229201"),
            url.replace("se=1767229200", "se=x"),
        ] {
            world.put(&bad, &dags("x")).await.expect(403);
        }
        world.put(&format!("{path}s?{query}"), &dags("x")).await.expect(404);
        let log = world.audit_log().await;
        assert!(log.iter().any(|record| record["operationId"] == "Upload" && record["outcome"] == "REFUSED"));
        assert_eq!(world.put(url, &dags("x")).await.status, 201);
        world.clock.advance(3600);
        let late = world.put(url, &dags("x")).await;
        assert!(late.message().contains("expired"), "{}", late.json);
        late.expect(403);
        for method in ["GET", "POST", "DELETE"] {
            world.call(None, method, url.strip_prefix("http://127.0.0.1:8888").expect("ours"), &Value::Null).await.expect(405);
        }
    }

    /// What no client of block blobs sends.
    async fn odd_uploads_are_400(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let url = url(&made);
        let path = url.strip_prefix("http://127.0.0.1:8888").expect("ours");
        let plain = Request::put(path).body(Body::from("x")).expect("a request");
        assert_eq!(world.send(plain).await.fields(), ["x-ms-blob-type"]);
        for (rest, body, field) in [
            ("&comp=lease", "x", "comp"),
            ("&comp=block", "x", "blockid"),
            ("&comp=block&blockid=%21", "x", "blockid"),
            ("&comp=blocklist", "{}", "body"),
            ("&comp=blocklist", "<BlockList><Latest>!</Latest></BlockList>", "blockid"),
        ] {
            let answer = world.put(&format!("{url}{rest}"), body.as_bytes()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{rest}");
        }
        let long = STANDARD.encode("x".repeat(65));
        let answer = world.put(&format!("{url}&comp=block&blockid={}", url_encoded(&long)), b"x").await;
        assert_eq!((answer.status, answer.fields()), (400, vec!["blockid"]));
    }

    /// Bundles have a mount path each, and are removed by an empty version, as `astro dbt delete` does.
    async fn bundles(world) {
        let body = json!({"type": "BUNDLE", "bundleMountPath": SALES, "bundleType": "dbt"});
        let made = create(&world, body.clone()).await;
        assert!(made.get("dagsUploadUrl").is_none());
        assert_eq!(made["bundleMountPath"], SALES);
        let bytes = archive(&[("dbt_project.yml", "name: sales")]);
        let version = world.upload(&made, &bytes).await;
        let done = finalize(&world, &made, json!({"bundleTarballVersion": version})).await.expect(200);
        assert_eq!(done["bundles"], json!([{
            "bundleType": "dbt", "deployId": made["id"], "mountPath": SALES, "currentVersion": version, "desiredVersion": version,
        }]));
        assert!(done.get("dagTarballVersion").is_none());
        let (dags_deploy, dags_version) = deploy(&world, &dags("1")).await;

        let (_, token) = world.agent_token("edge").await;
        let answer = ask(&world, "GET", &token, SALES, &[]).await;
        assert_eq!((answer.status, answer.bytes), (200, bytes));
        let listed = ask(&world, "GET", &token, "", &[]).await.expect_own(200);
        assert_eq!(listed, json!({"bundles": [
            {"mountPath": "dags", "version": dags_version, "deployId": dags_deploy["id"]},
            {"mountPath": "usr/local/airflow/dbt/sales", "version": version, "deployId": made["id"], "bundleType": "dbt"},
        ]}));
        assert_eq!(ask(&world, "GET", &token, "/usr/local", &[]).await.status, 404);

        let removal = create(&world, body).await;
        finalize(&world, &removal, json!({})).await.expect(400);
        finalize(&world, &removal, json!({"bundleTarballVersion": "no/version"})).await.expect(400);
        finalize(&world, &removal, json!({"bundleTarballVersion": ""})).await.expect(200);
        assert_eq!(ask(&world, "GET", &token, SALES, &[]).await.status, 404);
        assert_eq!(served(&world).await, Some(dags("1")));
        let back = roll_back(&world, &made).await.expect(200);
        assert_eq!(back["bundles"][0]["currentVersion"], json!(version));
        assert_eq!(ask(&world, "GET", &token, SALES, &[]).await.status, 200);
    }

    /// What does not go together in a new deploy.
    async fn wrong_deploys(world) {
        for (body, field) in [
            (json!({}), "type"),
            (json!({"type": "DAGS"}), "type"),
            (json!({"type": "BUNDLE", "bundleType": "dbt"}), "bundleMountPath"),
            (json!({"type": "BUNDLE", "bundleMountPath": SALES}), "bundleType"),
            (json!({"type": "BUNDLE", "bundleType": "dbt", "bundleMountPath": "/a/../b"}), "bundleMountPath"),
            (json!({"type": "BUNDLE", "bundleType": "dbt", "bundleMountPath": "/dags/"}), "bundleMountPath"),
            (json!({"type": "DAG_ONLY", "bundleMountPath": SALES}), "bundleMountPath"),
            (json!({"type": "DAG_ONLY", "description": "x".repeat(501)}), "description"),
            (json!({"type": "DAG_ONLY", "git": {"provider": "GITHUB"}}), "git.commitSha"),
            (json!({"type": "DAG_ONLY", "git": {"provider": "GITLAB", "commitSha": "x"}}), "git.provider"),
            (json!({"type": "DAG_ONLY", "git": {"provider": "GITHUB", "commitSha": ""}}), "git.commitSha"),
            (json!({"type": "DAG_ONLY", "git": {"provider": "GITHUB", "commitSha": "x", "branch": "x".repeat(2001)}}), "git.branch"),
            (json!({"type": "DAG_ONLY", "git": {"provider": "GITHUB", "commitSha": "x", "commitUrl": "\0"}}), "git.commitUrl"),
        ] {
            let answer = world.post(&world.deploys(""), body.clone()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{body}: {}", answer.json);
        }
        set(&world, &[("isDagDeployEnabled", json!(false))]).await;
        for body in [json!({"type": "DAG_ONLY"}), json!({"type": "BUNDLE", "bundleType": "dbt", "bundleMountPath": SALES})] {
            let answer = world.post(&world.deploys(""), body).await;
            assert_eq!((answer.status, answer.fields()), (400, vec!["type"]), "{}", answer.json);
        }
        assert_eq!(world.get(&world.deploys("")).await.expect(200)["totalCount"], 0);
        let image = create(&world, json!({"type": "IMAGE_AND_DAG"})).await;
        assert!(image.get("dagsUploadUrl").is_none(), "the Dags are in the image");
    }

    /// Of an image Airlock keeps the tag.
    async fn images(world) {
        let (_, version) = deploy(&world, &dags("1")).await;
        let image = create(&world, json!({"type": "IMAGE_ONLY"})).await;
        let tag = image["imageTag"].as_str().expect("a tag");
        assert!(tag.starts_with("deploy-2026-01-01T00-00-00-"), "{tag}");
        assert!(image.get("dagsUploadUrl").is_none());
        assert_eq!(deployment(&world).await["imageTag"], "");
        // The stock CLI sends the Deployment's version along with an image.
        finalize(&world, &image, json!({"dagTarballVersion": version})).await.expect(200);
        assert_eq!(deployment(&world).await["imageTag"], tag);
        let both = create(&world, json!({"type": "IMAGE_AND_DAG"})).await;
        let second = world.upload(&both, &dags("2")).await;
        finalize(&world, &both, json!({"dagTarballVersion": second})).await.expect(200);
        assert_eq!(served(&world).await, Some(dags("2")));
        let plain = create(&world, json!({"type": "IMAGE_ONLY"})).await;
        finalize(&world, &plain, json!({"dagTarballVersion": version})).await.expect(400);
        finalize(&world, &plain, json!({})).await.expect(200);
        assert_eq!(served(&world).await, Some(dags("2")), "the Dags stay");
        let back = roll_back(&world, &image).await.expect(200);
        assert_eq!((&back["imageTag"], &back["rollbackFromId"]), (&json!(tag), &image["id"]));
        assert_eq!(deployment(&world).await["imageTag"], tag);
        assert_eq!(served(&world).await, Some(dags("1")));
    }

    /// A rollback is a deploy like any other.
    async fn rolling_back(world) {
        let unfinished = create(&world, json!({"type": "DAG_ONLY"})).await;
        let (first, one) = deploy(&world, &dags("1")).await;
        deploy(&world, &dags("2")).await;
        roll_back(&world, &unfinished).await.expect(400);
        roll_back(&world, &json!({"id": "cnowhere"})).await.expect(404);
        world.clock.advance(1);
        let back = roll_back(&world, &first).await.expect(200);
        assert_eq!((&back["status"], &back["dagTarballVersion"]), (&json!("DEPLOYED"), &json!(one)));
        assert_eq!((&back["rollbackFromId"], &back["type"]), (&first["id"], &json!("DAG_ONLY")));
        assert_eq!(served(&world).await, Some(dags("1")));
        let list = world.get(&world.deploys("")).await.expect(200);
        assert_eq!((&list["totalCount"], &list["deploys"][0]), (&json!(4), &back));
        let page = world.get(&world.deploys("?limit=1&offset=1")).await.expect(200);
        assert_eq!((page["deploys"].as_array().expect("a list").len(), &page["limit"]), (1, &json!(1)));
        world.get(&world.deploys("?limit=1001")).await.expect(400);
        set(&world, &[("isDagDeployEnabled", json!(false))]).await;
        roll_back(&world, &first).await.expect(400);
    }

    /// Its description can be changed.
    async fn a_deploy_is_described(world) {
        let (made, _) = deploy(&world, &dags("1")).await;
        let path = world.deploys(&format!("/{}", id(&made)));
        assert!(world.post(&path, json!({})).await.expect(200).get("description").is_none(), "as it was");
        let updated = world.post(&path, json!({"description": "why"})).await.expect(200);
        assert_eq!((&updated["description"], &updated["status"]), (&json!("why"), &json!("DEPLOYED")));
        assert_eq!(world.post(&path, json!({})).await.expect(200)["description"], "why");
        world.post(&path, json!({"description": "x".repeat(501)})).await.expect(400);
    }

    /// Where only automations may deploy, people may not.
    async fn people_are_refused_where_deploys_are_for_automations(world) {
        world.invite("ada@example.org", "ORGANIZATION_OWNER").await;
        let session = world.sign_in("ada@example.org").await;
        let (first, _) = deploy(&world, &dags("1")).await;
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let version = world.upload(&made, &dags("begun before")).await;
        set(&world, &[("isCicdEnforced", json!(true))]).await;
        let body = json!({"type": "DAG_ONLY"});
        world.call(Some(&session), "POST", &world.deploys(""), &body).await.expect(403);
        let rollback = world.deploys(&format!("/{}/rollback", id(&first)));
        world.call(Some(&session), "POST", &rollback, &json!({})).await.expect(403);
        let path = world.deploys(&format!("/{}/finalize", id(&made)));
        world.call(Some(&session), "POST", &path, &json!({"dagTarballVersion": version})).await.expect(403);
        assert_eq!(served(&world).await, Some(dags("1")));
        finalize(&world, &made, json!({"dagTarballVersion": version})).await.expect(200);
        deploy(&world, &dags("2")).await;
        set(&world, &[("isCicdEnforced", json!(false))]).await;
        world.call(Some(&session), "POST", &world.deploys(""), &body).await.expect(200);
    }

    /// Who gets the code, and that nobody gets it twice.
    async fn agents_get_the_current_version(world) {
        let (token_id, token) = world.agent_token("edge").await;
        let none = ask(&world, "GET", &token, "/dags", &[]).await;
        assert_eq!((none.status, &none.json["detail"]), (404, &json!("the Deployment has no Dags; deploy some")));
        let before = world.audit_log().await.len();
        let (_, version) = deploy(&world, &dags("1")).await;
        let answer = ask(&world, "GET", &token, "/dags", &[]).await;
        let etag = format!("\"{version}\"");
        assert_eq!((answer.status, &answer.bytes), (200, &dags("1")));
        assert_eq!(answer.headers["etag"], etag.as_str());
        assert_eq!(answer.headers["content-type"], "application/gzip");
        assert_eq!(answer.headers["content-length"], dags("1").len().to_string().as_str());
        let head = ask(&world, "HEAD", &token, "/dags", &[]).await;
        assert_eq!((head.status, head.bytes.len(), &head.headers["etag"]), (200, 0, &answer.headers["etag"]));
        assert_eq!(head.headers["content-length"], answer.headers["content-length"]);
        for known in [&*etag, "*", &format!("\"x\", W/{etag}")] {
            let same = ask(&world, "GET", &token, "/dags", &[("if-none-match", known)]).await;
            assert_eq!((same.status, same.bytes.len()), (304, 0), "{known}");
            assert_eq!(same.headers["etag"], etag.as_str());
        }
        assert_eq!(ask(&world, "GET", &token, "/dags", &[("if-none-match", "\"x\"")]).await.status, 200);
        let new = deploy(&world, &dags("2")).await.1;
        let changed = ask(&world, "GET", &token, "/dags", &[("if-none-match", &etag)]).await;
        assert_eq!((changed.status, &changed.bytes), (200, &dags("2")));
        assert_eq!(changed.headers["etag"], format!("\"{new}\"").as_str());
        assert_eq!(world.audit_log().await.len(), before + 4, "two deploys, and no record of asking");

        world.delete(&world.agent_tokens(&format!("/{token_id}"))).await.expect(204);
        assert_eq!(ask(&world, "GET", &token, "/dags", &[]).await.status, 403);
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(ask(&world, method, &world.owner, "/dags", &[]).await.status, 404, "{method}");
        }
        for odd in ["/", "//dags", "/dags/", "/%64ags/../dags", "/dags%2f", "/..", "/%2e%2e"] {
            assert_eq!(ask(&world, "GET", &world.owner, odd, &[]).await.status, 404, "{odd}");
        }
    }

    /// An API token needs the permission to see deploys; an agent token its own Deployment.
    async fn who_gets_the_code(world) {
        deploy(&world, &dags("1")).await;
        let author = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        assert_eq!(ask(&world, "GET", &author, "/dags", &[]).await.status, 200);
        let accessor = world.workspace_token("WORKSPACE_ACCESSOR").await.1;
        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        let stranger = world.second_organization().await;
        let path = format!("/v1/organizations/{}/deployments/{}/agent-tokens", stranger.organization, stranger.deployment);
        let theirs = world.call(Some(&stranger.owner), "POST", &path, &json!({"name": "x"})).await.expect(200);
        let theirs = theirs["token"].as_str().expect("a value");
        for token in [&*accessor, &*member, &*stranger.owner, theirs, "nonsense", ""] {
            for path in ["", "/dags"] {
                let answer = ask(&world, "GET", token, path, &[]).await;
                assert_eq!(answer.status, 403, "{token} {path}");
            }
        }
        let (_, token) = world.agent_token("edge").await;
        assert_eq!(ask(&world, "GET", &token, "/dags", &[]).await.status, 200);
        set(&world, &[("remoteExecution", json!({"enabled": true, "allowedIpAddressRanges": ["203.0.113.0/24"]}))]).await;
        assert_eq!(ask(&world, "GET", &token, "/dags", &[]).await.status, 403, "the address");
        assert_eq!(ask(&world, "GET", &author, "/dags", &[]).await.status, 403, "the address");
        set(&world, &[("remoteExecution", json!({"enabled": false}))]).await;
        assert_eq!(ask(&world, "GET", &token, "/dags", &[]).await.status, 403, "no agents");
        assert_eq!(ask(&world, "GET", &author, "/dags", &[]).await.status, 200);
    }

    /// The Organization's address ranges hold for uploads as well.
    async fn uploads_come_from_allowed_addresses(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let here = json!({"ipAddressRange": "127.0.0.1/32"});
        world.post(&world.path("/allowed-ip-address-ranges"), here).await.expect(200);
        world.put(url(&made), &dags("1")).await.expect(403); // comes from nowhere
        let path = url(&made).strip_prefix("http://127.0.0.1:8888").expect("ours");
        let peer: std::net::SocketAddr = "127.0.0.1:4711".parse().expect("an address");
        let request = Request::put(path).header("x-ms-blob-type", "BlockBlob").extension(ConnectInfo(peer));
        assert_eq!(world.send(request.body(Body::from(dags("1"))).expect("a request")).await.status, 201);
    }

    /// An upload that is under way ends with its link.
    async fn an_upload_ends_with_its_link(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        world.clock.advance(3599);
        let path = url(&made).strip_prefix("http://127.0.0.1:8888").expect("ours");
        let never = futures_util::stream::pending::<std::io::Result<Vec<u8>>>();
        let request = Request::put(path).header("x-ms-blob-type", "BlockBlob").body(Body::from_stream(never));
        let ended = world.send(request.expect("a request")).await;
        assert!(ended.message().contains("the link has expired"), "{}", ended.json);
        ended.expect(400);
    }

    /// What becomes current while the storage is tidied up stays there.
    async fn a_deploy_beside_the_sweep_stays(world) {
        let tidy = async { loop { world.app.tidy_bundles().await.expect("tidy"); tokio::task::yield_now().await; } };
        let deploys = async {
            for number in 0..30 {
                let bytes = dags(&number.to_string());
                deploy(&world, &bytes).await;
                assert_eq!(served(&world).await, Some(bytes));
            }
        };
        tokio::select! { () = tidy => {}, () = deploys => {} }
        world.app.tidy_bundles().await.expect("tidy");
        assert_eq!(served(&world).await, Some(dags("29")));
    }

    /// A deploy that nobody finalizes is given up after a day.
    async fn an_unfinished_deploy_is_given_up(world) {
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        let version = world.upload(&made, &dags("1")).await;
        let path = world.deploys(&format!("/{}", id(&made)));
        world.clock.advance(86_400);
        world.app.tidy_bundles().await.expect("tidy");
        assert_eq!(world.get(&path).await.expect(200)["status"], "INITIALIZED");
        world.clock.advance(1);
        world.app.tidy_bundles().await.expect("tidy");
        assert_eq!(world.get(&path).await.expect(200)["status"], "FAILED");
        let late = finalize(&world, &made, json!({"dagTarballVersion": version})).await;
        assert!(late.message().contains("within a day"), "{}", late.json);
        late.expect(400);
    }
}

/// Objects in a folder, by their paths.
fn objects(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(objects(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

/// A server that keeps its archives in a folder.
async fn in_folder(database: Database, kept: u32) -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = Settings::default();
    settings.deploys.storage = BundleStorage::folder(folder.path()).expect("a storage");
    settings.deploys.kept = NonZeroU32::new(kept).expect("not 0");
    (World::with_settings(database, settings).await, folder)
}

/// Old versions go, and what is left over of uploads; never what is current or may become so.
async fn what_is_not_needed_goes(database: Database) {
    let (world, folder) = in_folder(database, 2).await;
    let (first, one) = deploy(&world, &dags("1")).await;
    for number in 2..=4 {
        world.clock.advance(1);
        deploy(&world, &dags(&number.to_string())).await;
    }
    world.clock.advance(1);
    let back = roll_back(&world, &first).await.expect(200);
    let awaited = create(&world, json!({"type": "DAG_ONLY"})).await;
    let waiting = world.upload(&awaited, &dags("waiting")).await;
    put_block(&world, url(&awaited), "a", b"block").await;
    assert_eq!(objects(folder.path()).len(), 6);

    world.app.tidy_bundles().await.expect("tidy");
    let left = objects(folder.path());
    assert_eq!(left.len(), 4, "1, 4, waiting and its block: {left:?}");
    assert!([&one, &waiting].iter().all(|version| left.iter().any(|path| path.contains(version.as_str()))), "{left:?}");
    assert_eq!(served(&world).await, Some(dags("1")));
    let deploys = world.get(&world.deploys("")).await.expect(200);
    let second = deploys["deploys"].as_array().expect("a list").iter().rev().nth(1).expect("the second").clone();
    let gone = roll_back(&world, &second).await;
    assert!(gone.message().contains("not kept any more"), "{}", gone.json);
    gone.expect(400);
    assert_eq!(roll_back(&world, &back).await.status, 200, "a rollback is something to go back to");

    finalize(&world, &awaited, json!({"dagTarballVersion": waiting})).await.expect(200);
    world.app.tidy_bundles().await.expect("tidy");
    let left = objects(folder.path());
    assert_eq!(left.len(), 2, "waiting and 1, and no block: {left:?}");
    assert_eq!(served(&world).await, Some(dags("waiting")));

    // What a process that was killed has not finished; what is being written is left alone.
    let place = folder.path().join("archives").join(id(&awaited));
    let old = std::fs::File::create(place.join("x.tar.gz#1")).expect("made");
    old.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600 - 86_401)).expect("old");
    std::fs::write(place.join("y.tar.gz#1"), "new").expect("made");
    world.app.tidy_bundles().await.expect("tidy");
    assert!(!place.join("x.tar.gz#1").exists() && place.join("y.tar.gz#1").exists());
    std::fs::remove_file(place.join("y.tar.gz#1")).expect("removed");

    world.delete(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(204);
    world.app.tidy_bundles().await.expect("tidy");
    assert_eq!(objects(folder.path()), [""; 0]);
}

#[tokio::test]
async fn what_is_not_needed_goes_sqlite() {
    what_is_not_needed_goes(Database::sqlite()).await;
}

#[tokio::test]
async fn what_is_not_needed_goes_postgres() {
    if let Some(database) = Database::postgres().await {
        what_is_not_needed_goes(database).await;
    }
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).expect("a byte")
    };
    (0..length).map(|_| next()).collect()
}

/// An archive of several parts, in a folder and in memory, at once and in blocks, is what was sent.
#[tokio::test]
async fn a_large_archive_comes_whole() {
    let bytes = archive_of([("data.bin", &noise(20 << 20)[..])]);
    let (in_folder, _folder) = in_folder(Database::sqlite(), 2).await;
    for world in [in_folder, World::new(Database::sqlite()).await] {
        let (_, version) = deploy(&world, &bytes).await;
        assert!(served(&world).await.is_some_and(|served| served == bytes));
        let made = create(&world, json!({"type": "DAG_ONLY"})).await;
        for (number, block) in bytes.chunks(9 << 20).enumerate() {
            assert_eq!(put_block(&world, url(&made), &number.to_string(), block).await.status, 201);
        }
        let listed = put_list(&world, url(&made), &["0", "1", "2"]).await;
        let again = listed.headers["x-ms-version-id"].to_str().expect("a version");
        assert_ne!(again, version);
        finalize(&world, &made, json!({"dagTarballVersion": again})).await.expect(200);
        assert!(served(&world).await.is_some_and(|served| served == bytes));
    }
}

/// What is too large is refused, however it comes, and leaves nothing.
#[tokio::test]
async fn what_is_too_large_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = bounded(|settings| {
        settings.upload_bytes = 10 << 20;
        settings.limits.bytes = 1000;
        settings.limits.files = 3;
        settings.storage = BundleStorage::folder(folder.path()).expect("a storage");
    })
    .await;
    let made = create(&world, json!({"type": "DAG_ONLY"})).await;
    let path = url(&made).strip_prefix("http://127.0.0.1:8888").expect("ours").to_owned();
    world.put(&path, &vec![0; (10 << 20) + 1]).await.expect(413);
    // One that does not say how large it is.
    let pieces = futures_util::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![0; 1 << 20])));
    let request = Request::put(&path).header("x-ms-blob-type", "BlockBlob").body(Body::from_stream(pieces));
    world.send(request.expect("a request")).await.expect(413);
    // One that breaks off.
    let pieces =
        (0..10).map(|number| if number < 9 { Ok(vec![0; 1 << 20]) } else { Err(std::io::Error::other("gone")) });
    let request = Request::put(&path).header("x-ms-blob-type", "BlockBlob");
    let broken = request.body(Body::from_stream(futures_util::stream::iter(pieces)));
    world.send(broken.expect("a request")).await.expect(400);
    assert_eq!(objects(folder.path()), [""; 0]);
    for number in 0..2 {
        assert_eq!(put_block(&world, url(&made), &number.to_string(), &vec![0; 9 << 20]).await.status, 201);
    }
    put_list(&world, url(&made), &["0", "1"]).await.expect(413);
    put_block(&world, url(&made), "2", &vec![0; 3 << 20]).await.expect(409);
    assert_eq!(put_block(&world, url(&made), "0", &vec![0; 10 << 20]).await.status, 201, "in its place");
    put_list(&world, url(&made), &["0"]).await.expect_own(201);
    put_list(&world, url(&made), &["0"]).await.expect_own(201);
    put_list(&world, url(&made), &["1"]).await.expect(409);
    assert_eq!(objects(folder.path()).len(), 4, "twice as much as an archive may have, in blocks and in archives");
    let made = create(&world, json!({"type": "DAG_ONLY"})).await;
    for _ in 0..8 {
        world.upload(&made, b"x").await;
    }
    world.put(url(&made), b"x").await.expect(409);
    let made = create(&world, json!({"type": "DAG_ONLY"})).await;

    for unfit in [archive(&[("a", &"x".repeat(1001))]), archive(&[("a", ""), ("b", ""), ("c", ""), ("d", "")])] {
        let version = world.upload(&made, &unfit).await;
        let answer = finalize(&world, &made, json!({"dagTarballVersion": version})).await;
        assert_eq!((answer.status, answer.fields()), (400, vec!["dagTarballVersion"]), "{}", answer.json);
    }
}

/// When the storage has lost an archive, that is our fault, and nobody is told that there is none.
#[tokio::test]
async fn a_lost_archive_is_a_fault_of_ours() {
    let (world, folder) = in_folder(Database::sqlite(), 2).await;
    deploy(&world, &dags("1")).await;
    std::fs::remove_dir_all(folder.path().join("archives")).expect("lost");
    assert_eq!(ask(&world, "GET", &world.owner, "/dags", &[]).await.status, 503);
}

/// An archive that nobody takes is given up, so that its place is another's again.
#[tokio::test]
async fn a_download_that_rests_is_given_up() {
    use futures_util::StreamExt;
    let mut settings = Settings::default();
    settings.gate.calls_per_token = 1;
    settings.gate.stall_timeout = Duration::from_millis(300);
    let world = World::with_settings(Database::sqlite(), settings).await;
    deploy(&world, &archive_of([("data.bin", &noise(1 << 20)[..])])).await;
    let (_, agent) = world.agent_token("edge").await;
    for token in [&agent, &world.owner] {
        let uri = format!("/d/{}/bundles/dags", world.deployment);
        let request = Request::get(uri).header("authorization", format!("Bearer {token}")).body(Body::empty());
        let answer = world.open(request.expect("a request")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(ask(&world, "GET", token, "/dags", &[]).await.status, 429, "it has one under way");
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(ask(&world, "GET", token, "/dags", &[]).await.status, 200);
        let pieces: Vec<_> = answer.into_body().into_data_stream().collect().await;
        assert!(pieces.last().is_some_and(Result::is_err), "it broke off");
    }
}

/// An archive on its way is cut when the token ends that it was asked for with.
#[tokio::test]
async fn a_download_is_cut_with_its_token() {
    use futures_util::StreamExt;
    let world = World::new(Database::sqlite()).await;
    deploy(&world, &archive_of([("data.bin", &noise(20 << 20)[..])])).await;
    let (agent_id, agent) = world.agent_token("edge").await;
    let (api_id, api) = world.deployment_token("DEPLOYMENT_ADMIN").await;
    for (token, path) in
        [(agent, world.agent_tokens(&format!("/{agent_id}"))), (api, world.path(&format!("/tokens/{api_id}")))]
    {
        let uri = format!("/d/{}/bundles/dags", world.deployment);
        let request = Request::get(uri).header("authorization", format!("Bearer {token}")).body(Body::empty());
        let answer = world.open(request.expect("a request")).await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body().into_data_stream();
        world.delete(&path).await.expect(204);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let mut rest = Vec::new();
        while let Some(piece) = body.next().await {
            rest.push(piece);
        }
        assert!(rest.last().is_some_and(Result::is_err), "{path}");
    }
}
