//! Signing in at an identity provider.

mod provider;

use airlock_server::{LoginSettings, OidcSettings, Settings};
use airlock_tests::{
    Answer, Database, World,
    browser::{Browser, CALLBACK, VERIFIER, encoded, link, location, parameter},
};
use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use provider::{CLIENT, Provider, SECRET, Signed};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";

/// Runs a test on both databases, with a provider for each.
async fn on_both(change: impl Fn(&mut OidcSettings), run: impl AsyncFn(&World, &Provider)) {
    for database in [Some(Database::sqlite()), Database::postgres().await].into_iter().flatten() {
        let provider = Provider::start().await;
        let mut oidc = OidcSettings {
            issuer: provider.says().url.clone(),
            client_id: CLIENT.into(),
            client_secret: Some(SECRET.to_owned().into()),
            scopes: "openid email".into(),
            groups_claim: None,
            email_domains: Vec::new(),
            unverified_email: false,
            join: false,
        };
        change(&mut oidc);
        let login = LoginSettings { oidc: Some(oidc), ..LoginSettings::default() };
        run(&World::with_settings(database, Settings { login, ..Settings::default() }).await, &provider).await;
    }
}

/// Goes to the provider: what it was asked for, as a query.
async fn go(world: &World, provider: &Provider, browser: &mut Browser) -> String {
    let link = format!("{}&state=s1", link(world).await);
    let asked = location(&browser.get(world, &link).await);
    assert!(asked.starts_with(&format!("{}/authorize?tenant=1&", provider.says().url)), "{asked}");
    let parameter = |name| parameter(&asked, name).unwrap_or_default();
    provider.begin(parameter("nonce"), parameter("code_challenge"));
    asked
}

/// The way there and back.
async fn sign_in(world: &World, provider: &Provider) -> Answer {
    let mut browser = Browser::default();
    let asked = go(world, provider, &mut browser).await;
    let state = parameter(&asked, "state").expect("a state");
    browser.get(world, &format!("/oauth2/callback?code=good&state={state}")).await
}

/// A session of whoever came back.
async fn session(world: &World, answer: &Answer) -> String {
    let location = location(answer);
    assert!(location.starts_with(&format!("{CALLBACK}?code=alc_")), "{location}");
    assert_eq!(parameter(&location, "state").as_deref(), Some("s1"));
    let form = format!(
        "client_id=airlock-cli&grant_type=authorization_code&code={}&code_verifier={VERIFIER}&redirect_uri={}",
        parameter(&location, "code").expect("a code"),
        encoded(CALLBACK)
    );
    let request =
        Request::post("/oauth2/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let tokens = world.send(request.body(Body::from(form)).expect("a request")).await;
    assert_eq!(tokens.status, 200, "{}", tokens.json);
    tokens.json["access_token"].as_str().expect("a session").to_owned()
}

async fn own(world: &World, session: &str) -> Value {
    world.call(Some(session), "GET", "/v1/users/self?createIfNotExist=true", &Value::Null).await.expect(200)
}

/// Asserts that somebody was refused, by a page that says why.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, why: &str) {
    let page = String::from_utf8_lossy(&answer.bytes);
    assert_eq!((answer.status, answer.headers.get("location")), (status, None), "{page}");
    assert!(page.contains(why), "{why}: {page}");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
}

/// Who is invited comes with the first login, and is known by the provider's name for them from then on.
#[tokio::test]
async fn users_sign_in_at_the_provider() {
    on_both(
        |_| {},
        async |world, provider| {
            let invite = world.invite("Ada@Example.org", "ORGANIZATION_BILLING_ADMIN").await;
            let mut browser = Browser::default();
            let asked = go(world, provider, &mut browser).await;
            for (name, value) in [
                ("client_id", CLIENT),
                ("redirect_uri", "http://127.0.0.1:8888/oauth2/callback"),
                ("response_type", "code"),
                ("scope", "openid email"),
                ("prompt", "login"),
                ("code_challenge_method", "S256"),
            ] {
                assert_eq!(parameter(&asked, name).as_deref(), Some(value));
            }
            let first = session(world, &sign_in(world, provider).await).await;
            let user = own(world, &first).await;
            assert_eq!((&user["id"], &user["status"]), (&invite["userId"], &json!("ACTIVE")));
            // An address can change hands; the name of an account cannot.
            provider.says().claims = json!({"email": "ada@other.example"});
            let second = session(world, &sign_in(world, provider).await).await;
            assert_eq!(own(world, &second).await["id"], invite["userId"]);
            provider.says().claims = json!({"sub": "subject-2"});
            assert_refused(&sign_in(world, provider).await, 403, "belongs to another account");
            // No password opens anything.
            let link = link(world).await;
            let answer = Browser::default().post(world, &link, HeaderMap::new(), "email=a&password=b".into()).await;
            assert_refused(&answer, 403, "sign in at its identity provider");
            let log = world.audit_log().await;
            let of = |outcome| {
                log.iter().filter(|record| record["operationId"] == "SignIn" && record["outcome"] == outcome).count()
            };
            assert_eq!((of("CHANGED"), format!("{log:?}{}", world.dump().await).contains(SECRET)), (2, false));
        },
    )
    .await;
}

/// Whatever is wrong with an ID token, nobody comes in.
#[tokio::test]
async fn a_wrong_id_token_lets_nobody_in() {
    on_both(
        |_| {},
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            let now = 1_767_225_600;
            for (claims, why) in [
                (json!({"iss": "https://evil.example"}), "is of another issuer"),
                (json!({"iss": null}), "is of another issuer"),
                (json!({"aud": "other"}), "is for another client"),
                (json!({"aud": null}), "is for another client"),
                (json!({"aud": ["other"]}), "is for another client"),
                (json!({"aud": [CLIENT, "other"]}), "was given to another client"),
                (json!({"aud": [CLIENT, "other"], "azp": "other"}), "was given to another client"),
                (json!({"azp": "other"}), "was given to another client"),
                (json!({"nonce": "other"}), "belongs to another sign-in"),
                (json!({"nonce": null}), "belongs to another sign-in"),
                (json!({"exp": now - 60}), "has expired"),
                (json!({"exp": null}), "has expired"),
                (json!({"exp": "never"}), "has expired"),
                (json!({"iat": now + 61}), "was issued in the future"),
                (json!({"iat": null}), "was issued in the future"),
                (json!({"nbf": now + 61}), "begins in the future"),
                (json!({"sub": null}), "does not say whose it is"),
                (json!({"sub": "x".repeat(256)}), "does not say whose it is"),
                (json!({"email": null}), "no e-mail address"),
                (json!({"email": "ada"}), "no e-mail address"),
                (json!({"email_verified": false}), "does not say that ada@example.org is verified"),
                (json!({"email_verified": null}), "does not say that ada@example.org is verified"),
                (json!({"email": "eve@example.org"}), "nobody with the address eve@example.org"),
            ] {
                let subject = claims.get("sub").cloned().unwrap_or(json!("subject-1"));
                provider.says().userinfo = json!({"sub": subject});
                provider.says().claims = claims;
                assert_refused(&sign_in(world, provider).await, 403, why);
            }
            provider.says().claims = json!({});
            for signed in [
                Signed::WithNone,
                Signed::WithThePublicKeyAsASecret,
                Signed::ByAnother,
                Signed::WithAnUnknownName,
                Signed::NotAtAll,
            ] {
                provider.says().signed = signed;
                assert_refused(&sign_in(world, provider).await, 403, "the ID token");
            }
            provider.says().signed = Signed::Well;
            provider.says().claims =
                json!({"aud": [CLIENT, "other"], "azp": CLIENT, "exp": now - 59, "email_verified": "true"});
            session(world, &sign_in(world, provider).await).await;
        },
    )
    .await;
}

/// The way back counts in the browser that went there, once it has gone, and for a while.
#[tokio::test]
async fn the_way_back_is_bound_to_the_browser() {
    on_both(
        |_| {},
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            let mut browser = Browser::default();
            let asked = go(world, provider, &mut browser).await;
            let state = parameter(&asked, "state").expect("a state");
            let own = browser.cookie.clone();
            let back = format!("/oauth2/callback?code=good&state={state}");
            let mut stranger = Browser::default();
            go(world, provider, &mut stranger).await;
            let forged = own.clone().map(|cookie| cookie.replace("airlock-provider=e", "airlock-provider=f"));
            for (what, cookie, path) in [
                ("no cookie", None, back.clone()),
                ("another's", stranger.cookie.clone(), back.clone()),
                ("forged", forged, back.clone()),
                ("no state", own.clone(), "/oauth2/callback?code=good".into()),
                ("another state", own.clone(), "/oauth2/callback?code=good&state=x".into()),
                ("another provider", own.clone(), format!("{back}&iss=https%3A%2F%2Fevil.example")),
            ] {
                let mut browser = Browser { cookie, ..Browser::default() };
                let answer = browser.get(world, &path).await;
                assert_eq!((answer.status, answer.headers.get("location")), (403, None), "{what}");
            }
            let mut browser = Browser { cookie: own.clone(), ..Browser::default() };
            let refused =
                location(&browser.get(world, &format!("/oauth2/callback?error=access_denied&state={state}")).await);
            assert_eq!(parameter(&refused, "error").as_deref(), Some("access_denied"));
            assert!(refused.starts_with(CALLBACK), "{refused}");
            let mut browser = Browser { cookie: own.clone(), ..Browser::default() };
            assert_refused(
                &browser.get(world, &back.replace("good", "bad")).await,
                403,
                "does not confirm the sign-in",
            );
            world.clock.advance(15 * 60);
            let mut browser = Browser { cookie: own, ..Browser::default() };
            assert_refused(&browser.get(world, &back).await, 403, "start again");
        },
    )
    .await;
}

/// A provider that does not answer is 503 with a page that says so, and nothing is half-done; one that
/// is another's is not believed.
#[tokio::test]
async fn a_provider_that_is_down() {
    on_both(
        |_| {},
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            let link = link(world).await;
            provider.says().broken = Some("description");
            assert_refused(&Browser::default().get(world, &link).await, 503, "Airlock cannot do this now");
            (provider.says().broken, provider.says().issuer) = (None, Some("https://evil.example".into()));
            assert_refused(&Browser::default().get(world, &link).await, 503, "Airlock cannot do this now");
            provider.says().issuer = None;
            for endpoint in ["token", "keys"] {
                provider.says().broken = Some(endpoint);
                let answer = sign_in(world, provider).await;
                assert_refused(&answer, 503, "Airlock cannot do this now");
                assert!(answer.headers.contains_key("retry-after"));
            }
            provider.says().broken = None;
            session(world, &sign_in(world, provider).await).await;
        },
    )
    .await;
}

/// New keys of the provider are asked for when the old ones do not fit.
#[tokio::test]
async fn a_provider_that_changes_its_keys() {
    on_both(
        |_| {},
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            session(world, &sign_in(world, provider).await).await;
            provider.rotate();
            assert_refused(&sign_in(world, provider).await, 403, "not signed with a key of the identity provider");
            world.clock.advance(5);
            provider.advance(5);
            session(world, &sign_in(world, provider).await).await;
        },
    )
    .await;
}

/// Groups are teams that nobody else manages; who leaves a group loses what its team may do on the
/// next request after the login.
#[tokio::test]
async fn groups_are_teams() {
    on_both(
        |oidc| oidc.groups_claim = Some("groups".into()),
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            world.post(&world.path("/teams"), json!({"name": "ours"})).await.expect(200);
            let teams = async |session: &str| {
                let id = own(world, session).await["id"].as_str().expect("an id").to_owned();
                let teams = world.get(&world.path(&format!("/users/{id}/teams?sorts=name:asc"))).await.expect(200);
                teams["teams"].as_array().expect("teams").clone()
            };
            let names = |teams: &[Value]| {
                teams.iter().map(|team| team["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
            };
            provider.says().claims = json!({"groups": ["ops", "data", "ours", "ops", "", 7, "a\nb"]});
            let first = session(world, &sign_in(world, provider).await).await;
            let found = teams(&first).await;
            assert_eq!(names(&found), ["data", "ops"]);
            assert!(found.iter().all(|team| team["isIdpManaged"] == true), "{found:?}");

            let ops = found[1]["id"].as_str().expect("an id");
            let path = world.path(&format!("/teams/{ops}"));
            world.post(&path, json!({"name": "other"})).await.expect(400);
            let roles = json!({"organizationRole": "ORGANIZATION_OWNER"});
            world.post(&format!("{path}/roles"), roles).await.expect(200);
            let create = async |session: &str| {
                let body = json!({"name": "new", "role": "ORGANIZATION_MEMBER", "scope": "ORGANIZATION"});
                world.call(Some(session), "POST", &world.path("/tokens"), &body).await.status
            };
            assert_eq!(create(&first).await, 200);
            // The groups come from the user information where the ID token has none.
            provider.says().claims = json!({});
            provider.says().userinfo = json!({"sub": "subject-1", "groups": "data"});
            let second = session(world, &sign_in(world, provider).await).await;
            assert_eq!(names(&teams(&second).await), ["data"]);
            assert_eq!(create(&first).await, 403, "a session from before");
            provider.says().userinfo = json!({"sub": "subject-1"});
            let third = session(world, &sign_in(world, provider).await).await;
            assert!(teams(&third).await.is_empty());
            provider.says().userinfo = json!({"sub": "subject-2", "groups": "ops"});
            assert_refused(&sign_in(world, provider).await, 403, "is of another user");
        },
    )
    .await;
}

/// What settings let in.
#[tokio::test]
async fn settings_let_more_or_fewer_in() {
    let join = |oidc: &mut OidcSettings| {
        (oidc.join, oidc.unverified_email) = (true, true);
        oidc.email_domains = vec!["Example.org".into()];
    };
    on_both(join, async |world, provider| {
        provider.says().secret_in_body = true;
        provider.says().claims = json!({"email_verified": null});
        let first = session(world, &sign_in(world, provider).await).await;
        let user = own(world, &first).await;
        assert_eq!((&user["username"], &user["roles"][0]["role"]), (&json!(ADA), &json!("ORGANIZATION_MEMBER")));
        let second = session(world, &sign_in(world, provider).await).await;
        assert_eq!(own(world, &second).await["id"], user["id"]);
        provider.says().claims = json!({"sub": "x", "email": "ada@example.com"});
        assert_refused(&sign_in(world, provider).await, 403, "addresses of example.com cannot sign in here");
        world.delete(&world.path(&format!("/users/{}", user["id"].as_str().expect("an id")))).await.expect(204);
        provider.says().claims = json!({});
        world.second_organization().await;
        assert_refused(&sign_in(world, provider).await, 403, "more than one Organization");
    })
    .await;
}
