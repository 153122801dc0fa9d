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
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
    sign_in_from(world, provider, None).await
}

/// The same from an address.
async fn sign_in_from(world: &World, provider: &Provider, from: Option<&'static str>) -> Answer {
    let mut browser = Browser { from, ..Browser::default() };
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
            assert_eq!((of("CHANGED"), of("REFUSED")), (2, 1), "{log:?}");
            let refused = log.iter().find(|record| record["operationId"] == "SignIn" && record["outcome"] == "REFUSED");
            assert_eq!(refused.expect("a refusal")["entityId"], invite["userId"]);
            assert!(!format!("{log:?}{}", world.dump().await).contains(SECRET));
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
                (json!({"email": "ad\u{e0}@example.org"}), "not ASCII"),
                (json!({"email": "eve@example.org"}), "nobody with the address eve@example.org"),
            ] {
                let subject = claims.get("sub").cloned().unwrap_or(json!("subject-1"));
                provider.says().userinfo = json!({"sub": subject});
                provider.says().claims = claims;
                assert_refused(&sign_in(world, provider).await, 403, why);
            }
            provider.says().claims = json!({});
            for (signed, why) in [
                (Signed::WithNone, "the ID token cannot be read"),
                (Signed::WithThePublicKeyAsASecret, "the ID token is signed with an algorithm that is not taken"),
                (Signed::WithTheServedSecret, "the ID token is signed with an algorithm that is not taken"),
                (Signed::ByAnother, "the ID token is not signed with a key of the identity provider"),
                (Signed::WithAnUnknownName, "the ID token is not signed with a key of the identity provider"),
                (Signed::NotAtAll, "the ID token cannot be read"),
            ] {
                provider.says().signed = signed;
                assert_refused(&sign_in(world, provider).await, 403, why);
            }
            let log = world.audit_log().await;
            let is_noted = |record: &Value| record["reason"] == "the ID token belongs to another sign-in";
            assert!(log.iter().any(is_noted), "the Organization reads of it: {log:?}");
            provider.says().signed = Signed::Well;
            provider.says().claims =
                json!({"aud": [CLIENT, "other"], "azp": CLIENT, "exp": now - 59, "email_verified": "true"});
            session(world, &sign_in(world, provider).await).await;
        },
    )
    .await;
}

/// Whether an address is verified can be said by the user information, if it is the same address.
#[tokio::test]
async fn the_user_information_completes_the_id_token() {
    on_both(
        |_| {},
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            let other = json!({"sub": "subject-1", "email": "other@example.org", "email_verified": true});
            let own = json!({"sub": "subject-1", "email": ADA, "email_verified": true});
            let unsaid = json!({"sub": "subject-1", "email": ADA});
            for (claims, userinfo) in [
                (json!({"email_verified": null}), other),
                (json!({"email_verified": null}), json!({"sub": "subject-1", "email_verified": true})),
                // What is verified is not the address of the user information.
                (json!({"email": null}), unsaid),
            ] {
                (provider.says().claims, provider.says().userinfo) = (claims, userinfo);
                assert_refused(&sign_in(world, provider).await, 403, "does not say that ada@example.org is verified");
            }
            for claims in [json!({"email_verified": null}), json!({"email": null, "email_verified": null})] {
                (provider.says().claims, provider.says().userinfo) = (claims, own.clone());
                session(world, &sign_in(world, provider).await).await;
            }
        },
    )
    .await;
}

/// Whoever comes back often without success is stopped before the provider is asked.
#[tokio::test]
async fn the_way_back_is_limited() {
    on_both(
        |_| {},
        async |world, provider| {
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            let mut browser = Browser::default();
            let state = parameter(&go(world, provider, &mut browser).await, "state").expect("a state");
            let cookie = browser.cookie.clone();
            for attempt in 0..51 {
                let mut browser = Browser { cookie: cookie.clone(), ..Browser::default() };
                let answer = browser.get(world, &format!("/oauth2/callback?code=bad&state={state}")).await;
                assert_eq!(answer.status, if attempt < 50 { 403 } else { 429 }, "{attempt}");
            }
            let answer = sign_in(world, provider).await;
            assert_refused(&answer, 429, "Too many attempts");
            assert!(answer.headers.contains_key("retry-after"));
            session(world, &sign_in_from(world, provider, Some("192.0.2.1")).await).await;
            let log = world.audit_log().await;
            assert!(log.iter().any(|record| record["statusCode"] == 429), "{log:?}");
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
            let forged = own.as_deref().map(forged);
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
                // What another sign-in of this browser goes on with is left there.
                assert_eq!(answer.headers.contains_key("set-cookie"), what == "another provider", "{what}");
                assert_eq!(provider.says().redeemed, 0, "{what}");
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

/// The cookie of a sign-in with an end that is later, and the signature that it had.
fn forged(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').expect("a pair");
    let (payload, signature) = value.split_once('.').expect("a signature");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let mut begun: Value = serde_json::from_slice(&payload).expect("JSON");
    begun["end"] = json!(begun["end"].as_i64().expect("a time") + 1);
    format!("{name}={}.{signature}", URL_SAFE_NO_PAD.encode(begun.to_string()))
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
            let asked = provider.says().described;
            for _ in 0..3 {
                assert_refused(&Browser::default().get(world, &link).await, 503, "Airlock cannot do this now");
            }
            assert_eq!(provider.says().described, asked, "it is not asked again at once");
            world.clock.advance(5);
            assert_refused(&Browser::default().get(world, &link).await, 503, "Airlock cannot do this now");
            assert_eq!(provider.says().described, asked + 1);
            provider.says().issuer = None;
            world.clock.advance(5);
            for endpoint in ["token", "keys"] {
                provider.says().broken = Some(endpoint);
                let answer = sign_in(world, provider).await;
                assert_refused(&answer, 503, "Airlock cannot do this now");
                assert!(answer.headers.contains_key("retry-after"));
            }
            provider.says().broken = None;
            world.clock.advance(5);
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
            let ada = own(world, &first).await["id"].as_str().expect("an id").to_owned();
            for (method, rest, body) in [
                ("POST", String::new(), json!({"name": "renamed"})),
                ("DELETE", String::new(), Value::Null),
                ("POST", "/members".into(), json!({"memberIds": [ada]})),
                ("DELETE", format!("/members/{ada}"), Value::Null),
            ] {
                let answer = world.call(Some(&world.owner), method, &format!("{path}{rest}"), &body).await;
                assert_eq!(
                    answer.message(),
                    "the team ops is managed by the identity provider: change its name and members there; only its \
                     roles are changed here",
                    "{method} {rest}"
                );
                answer.expect(400);
            }
            assert_eq!(teams(&first).await, found);
            // Otherwise ada would be the last Owner.
            world.invite("keeper@example.org", "ORGANIZATION_OWNER").await;
            world.sign_in("keeper@example.org").await;
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
            // A group without members has left its team behind.
            world.delete(&path).await.expect(204);
            provider.says().userinfo = json!({"sub": "subject-2", "groups": "ops"});
            assert_refused(&sign_in(world, provider).await, 403, "is of another user");
            provider.says().claims = json!({"_claim_names": {"groups": "src1"}});
            provider.says().userinfo = json!({"sub": "subject-1"});
            assert_refused(&sign_in(world, provider).await, 403, "does not list your groups");
        },
    )
    .await;
}

/// The last Owner leaves no team that makes them one, whatever the provider says.
#[tokio::test]
async fn the_last_owner_stays_one() {
    on_both(
        |oidc| oidc.groups_claim = Some("groups".into()),
        async |world, provider| {
            let invite = world.invite(ADA, "ORGANIZATION_MEMBER").await;
            provider.says().claims = json!({"groups": ["heads", "data"]});
            session(world, &sign_in(world, provider).await).await;
            let path =
                world.path(&format!("/users/{}/teams?sorts=name:asc", invite["userId"].as_str().expect("an id")));
            let teams = async || {
                let teams = world.get(&path).await.expect(200)["teams"].as_array().expect("teams").clone();
                teams.into_iter().map(|team| (team["name"].clone(), team["id"].clone())).collect::<Vec<_>>()
            };
            let heads = teams().await[1].clone();
            assert_eq!(heads.0, "heads");
            let roles = world.path(&format!("/teams/{}/roles", heads.1.as_str().expect("an id")));
            world.post(&roles, json!({"organizationRole": "ORGANIZATION_OWNER"})).await.expect(200);
            provider.says().claims = json!({"groups": []});
            session(world, &sign_in(world, provider).await).await;
            assert_eq!(teams().await, [heads]);
            world.invite("keeper@example.org", "ORGANIZATION_OWNER").await;
            world.sign_in("keeper@example.org").await;
            session(world, &sign_in(world, provider).await).await;
            assert!(teams().await.is_empty(), "somebody else is one");
        },
    )
    .await;
}

/// A user of several Organizations comes into the one where they are active, or can be.
#[tokio::test]
async fn a_user_of_several_organizations() {
    on_both(
        |_| {},
        async |world, provider| {
            let stranger = world.second_organization().await;
            world.invite(ADA, "ORGANIZATION_MEMBER").await;
            let path = format!("/v1/organizations/{}/invites", stranger.organization);
            let body = json!({"inviteeEmail": ADA, "role": "ORGANIZATION_MEMBER"});
            let theirs = world.call(Some(&stranger.owner), "POST", &path, &body).await.expect(200);
            assert_refused(&sign_in(world, provider).await, 403, "a user of more than one Organization");
            // The older one's invite ends.
            world
                .database
                .execute(&format!(
                    "UPDATE invites SET expires_at = 0 WHERE user_id <> '{}'",
                    theirs["userId"].as_str().expect("an id")
                ))
                .await;
            let session = session(world, &sign_in(world, provider).await).await;
            assert_eq!(own(world, &session).await["id"], theirs["userId"]);
        },
    )
    .await;
}

/// Whoever is new comes from where the Organization allows.
#[tokio::test]
async fn allowed_ranges_bind_whoever_joins() {
    on_both(
        |oidc| oidc.join = true,
        async |world, provider| {
            let ranges = json!({"ipAddressRange": "127.0.0.0/8"});
            world.post(&world.path("/allowed-ip-address-ranges"), ranges).await.expect(200);
            let before = world.dump().await;
            let answer = sign_in_from(world, provider, Some("192.0.2.1")).await;
            assert_refused(&answer, 403, "allowed IP address ranges");
            assert_eq!(world.dump().await, before);
            let location = location(&sign_in(world, provider).await);
            assert!(location.starts_with(&format!("{CALLBACK}?code=alc_")), "{location}");
        },
    )
    .await;
}

/// Somebody who comes for the first time, twice at once, comes in twice.
#[tokio::test]
async fn two_first_logins_at_once() {
    on_both(
        |oidc| oidc.join = true,
        async |world, provider| {
            let (mut one, mut other) = (Browser::default(), Browser::default());
            let mut back = Vec::new();
            for browser in [&mut one, &mut other] {
                let state = parameter(&go(world, provider, browser).await, "state").expect("a state");
                back.push(format!("/oauth2/callback?code=good&state={state}"));
            }
            let (first, second) = tokio::join!(one.get(world, &back[0]), other.get(world, &back[1]));
            let (first, second) = (session(world, &first).await, session(world, &second).await);
            assert_eq!(own(world, &first).await["id"], own(world, &second).await["id"]);
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
