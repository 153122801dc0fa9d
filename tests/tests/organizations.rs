//! `/v1/organizations`

use airlock_tests::{World, on_both};
use serde_json::{Value, json};

/// The Organization, as its Owner gets it.
async fn get(world: &World) -> Value {
    world.get(&world.path("")).await.expect(200)
}

on_both! {
    /// What the stock clients look at without asking is there: never a null product.
    async fn an_organization_has_a_product_and_a_plan(world) {
        let organization = get(&world).await;
        assert_eq!(organization["id"], json!(world.organization));
        assert_eq!((&organization["name"], &organization["product"]), (&json!("Airlock"), &json!("HOSTED")));
        assert_eq!((&organization["status"], &organization["isScimEnabled"]), (&json!("ACTIVE"), &json!(false)));
        assert_eq!(organization["hasAllowedIpAddressRanges"], false);
        let plan = &organization["productPlans"][0];
        assert_eq!((&plan["productPlanName"], &plan["astronomerProduct"]), (&json!("INTERNAL"), &json!("ASTRO")));
        assert_eq!(plan["organizationId"], json!(world.organization));
        for key in ["createdBy", "updatedBy"] {
            assert!(organization[key]["id"].is_string(), "{key}");
        }
        let page = world.get("/v1/organizations?limit=100&offset=0").await.expect(200);
        assert_eq!(page, json!({"organizations": [organization], "limit": 100, "offset": 0, "totalCount": 1}));
    }

    /// Every caller gets the one Organization that it belongs to, and none learns of another.
    async fn callers_see_their_own_organization_only(world) {
        let stranger = world.second_organization().await;
        let callers = [
            world.owner.clone(),
            world.organization_token("ORGANIZATION_MEMBER").await.1,
            world.workspace_token("WORKSPACE_ACCESSOR").await.1,
            world.deployment_token("DEPLOYMENT_ADMIN").await.1,
        ];
        let theirs = format!("/v1/organizations/{}", stranger.organization);
        for caller in &callers {
            let page = world.call(Some(caller), "GET", "/v1/organizations", &Value::Null).await.expect(200);
            assert_eq!((&page["organizations"][0]["id"], &page["totalCount"]), (&json!(world.organization), &json!(1)));
            assert!(page["organizations"][0]["product"].is_string(), "the CLI panics without one");
            world.call(Some(caller), "GET", &world.path(""), &Value::Null).await.expect(200);
            let hidden = world.call(Some(caller), "GET", &theirs, &Value::Null).await;
            let absent = world.call(Some(caller), "GET", "/v1/organizations/cnowhere", &Value::Null).await;
            assert_eq!((hidden.status, hidden.message()), (404, "Organization not found"));
            assert_eq!((absent.status, absent.message()), (404, "Organization not found"));
        }
    }

    /// A look-up answers with what is needed to recognise the Organization, its product included.
    async fn a_look_up_leaves_details_out(world) {
        let update = json!({"name": "Airlock", "billingEmail": "bills@example.org", "isScimEnabled": false});
        world.post(&world.path(""), update).await.expect(200);
        let whole = get(&world).await;
        assert_eq!(whole["billingEmail"], "bills@example.org");
        assert_eq!(world.get(&world.path("?isLookUpOnly=false")).await.expect(200), whole);
        assert_eq!(world.get(&world.path("?isLookUpOnly=")).await.expect(200), whole);
        let look_up = world.get(&world.path("?isLookUpOnly=true")).await.expect(200);
        for same in ["id", "name", "product"] {
            assert_eq!(look_up[same], whole[same], "{same}");
        }
        assert!(look_up.get("billingEmail").is_none());
        let answer = world.get(&world.path("?isLookUpOnly=1")).await;
        assert_eq!(answer.fields(), ["isLookUpOnly"]);
        answer.expect(400);
    }

    /// Filters narrow by product and plan.
    async fn filters_narrow_the_list(world) {
        for (query, count) in [
            ("product=HOSTED", 1),
            ("product=HYBRID", 0),
            ("astronomerProduct=ASTRO", 1),
            ("productPlan=TRIAL", 0),
            ("productPlan=BUSINESS_CRITICAL&product=HOSTED", 0),
            ("product=&productPlan=&astronomerProduct=&sorts=", 1),
            ("sorts=name:asc&sorts=createdAt:desc", 1),
        ] {
            let page = world.get(&format!("/v1/organizations?{query}")).await.expect(200);
            assert_eq!(page["totalCount"], count, "{query}");
            assert_eq!(page["organizations"].as_array().map(Vec::len), Some(count), "{query}");
        }
        let page = world.get("/v1/organizations?offset=1").await.expect(200);
        assert_eq!((&page["organizations"], &page["totalCount"]), (&json!([]), &json!(1)));
        for (query, field) in
            [("product=OTHER", "product"), ("productPlan=INTERNAL", "productPlan"), ("limit=1001", "limit")]
        {
            let answer = world.get(&format!("/v1/organizations?{query}")).await;
            assert_eq!(answer.fields(), [field], "{query}");
            answer.expect(400);
        }
    }

    /// An update replaces what it must have, and keeps what it leaves out of the rest.
    async fn an_update_keeps_what_it_leaves_out(world) {
        let before = get(&world).await;
        world.clock.advance(1);
        let all = json!({
            "name": "Ægir", "billingEmail": "bills@example.org", "isScimEnabled": true,
            "allowEnhancedSupportAccess": true, "hasAiFeaturesDisabled": true, "shouldEnforceDedicatedClusters": true,
        });
        let changed = world.post(&world.path(""), all.clone()).await.expect(200);
        let mut expected = before;
        for (key, value) in all.as_object().expect("an object") {
            expected[key] = value.clone();
        }
        expected["updatedAt"] = json!("2026-01-01T00:00:01Z");
        expected["updatedBy"] = changed["updatedBy"].clone();
        assert_eq!(changed["updatedBy"]["apiTokenName"], "First owner");
        assert_eq!(changed, expected);
        assert_eq!(get(&world).await, expected);

        let least = json!({"name": "Ægir", "billingEmail": "", "isScimEnabled": false});
        let changed = world.post(&world.path(""), least).await.expect(200);
        expected["isScimEnabled"] = json!(false);
        expected.as_object_mut().expect("an object").remove("billingEmail");
        assert_eq!(changed, expected);
        let workspace = world.get(&world.path(&format!("/workspaces/{}", world.workspace))).await.expect(200);
        assert_eq!(workspace["organizationName"], "Ægir");
    }

    /// What is wrong is refused by name, and nothing changes.
    async fn bad_updates_name_the_field(world) {
        let before = world.dump().await;
        for (key, wrong) in [
            ("name", json!("")),
            ("name", json!("x".repeat(51))),
            ("name", json!("a\nb")),
            ("name", Value::Null),
            ("billingEmail", Value::Null),
            ("billingEmail", json!("x".repeat(257))),
            ("isScimEnabled", Value::Null),
            ("isScimEnabled", json!("false")),
            ("hasAiFeaturesDisabled", json!(1)),
        ] {
            let mut body = json!({"name": "x", "billingEmail": "", "isScimEnabled": false});
            body[key] = wrong;
            let answer = world.post(&world.path(""), body.clone()).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.json);
            assert_eq!(answer.fields(), [key], "{body}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
    }

    /// Only the Owner changes the Organization.
    async fn seeing_is_not_changing(world) {
        let body = json!({"name": "x", "billingEmail": "", "isScimEnabled": false});
        for role in ["ORGANIZATION_MEMBER", "ORGANIZATION_BILLING_ADMIN"] {
            let value = world.organization_token(role).await.1;
            let answer = world.call(Some(&value), "POST", &world.path(""), &body).await;
            assert_eq!(
                answer.message(),
                format!("{role} lacks the permission organization.settings.update on this Organization")
            );
            answer.expect(403);
        }
    }
}
