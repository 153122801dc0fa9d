//! Signing in: `/oauth2/authorize`, `/oauth2/oauth/token`, `/oauth2/userinfo`, and how it ends.
//!
//! The requests are those of `astro login localhost` (CLI 1.45), one by one.

use std::{num::NonZeroU32, time::Duration};

use airlock_contract::wire::OrganizationRoleName;
use airlock_core::{
    api_token::TokenHash,
    login::{password::NewPassword, pkce::challenge_of},
};
use airlock_server::{LoginSettings, RateLimits, Settings};
use airlock_store::Location;
use airlock_tests::{
    Answer, Database, World,
    binary::{Ran, Server, command},
    browser::{Browser, CALLBACK, VERIFIER, encoded, form_of, link, link_to, location, parameter},
    dumped, on_both,
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const TOKEN: &str = "/oauth2/oauth/token";
const ADA: &str = "ada@example.org";
const PASSWORD: &str = "correct horse battery";
const MEMBER: OrganizationRoleName = OrganizationRoleName::Member;

/// Sends a form as a program does.
async fn post(world: &World, path: &str, form: &str) -> Answer {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.send(request.body(Body::from(form.to_owned())).expect("a request")).await;
    assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    answer
}

/// The form by which the CLI redeems a code.
fn redemption(code: &str) -> String {
    format!(
        "client_id=airlock-cli&code={code}&code_verifier={VERIFIER}&grant_type=authorization_code&redirect_uri={}",
        encoded(CALLBACK)
    )
}

/// The form by which the CLI renews its session.
fn renewal(refresh_token: &str) -> String {
    format!("client_id=airlock-cli&grant_type=refresh_token&refresh_token={refresh_token}")
}

/// What somebody has after a login: a session and a refresh token.
async fn signed_in(world: &World, email: &str) -> (String, String) {
    let code = Browser::default().code(world, email, PASSWORD).await;
    tokens(&post(world, TOKEN, &redemption(&code)).await)
}

#[track_caller]
fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.json);
    let text = |name: &str| answer.json[name].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

/// Whether a value opens the API.
async fn opens(world: &World, value: &str) -> bool {
    match world.call(Some(value), "GET", "/v1/users/self?createIfNotExist=true", &Value::Null).await {
        answer if answer.status == 200 => true,
        answer => {
            answer.expect(401);
            false
        }
    }
}

#[track_caller]
fn assert_problem(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json["error"].as_str()), (400, Some(code)), "{}", answer.json);
    assert!(!answer.json["error_description"].as_str().expect("a description").is_empty());
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

/// The records of some operations in the audit log, without those that are asked for by others.
async fn audited(world: &World, operations: &[&str]) -> Vec<Value> {
    let is_one = |record: &Value| operations.iter().any(|operation| record["operationId"] == **operation);
    world.audit_log().await.into_iter().filter(is_one).collect()
}

on_both! {
    /// The whole sequence of `astro login localhost`, and of each command after it.
    async fn the_astro_cli_signs_in(world) {
        world.local_user("Ada@Example.org", OrganizationRoleName::Owner, PASSWORD).await;
        let link = link(&world).await;
        let mut browser = Browser::default();
        let page = browser.get(&world, &link).await;
        assert_eq!(page.status, 200);
        assert!(text(&page).contains("waits at <code>http://localhost:12345</code>"), "{}", text(&page));
        let answer = browser.submit(&world, &link, &page, ADA, PASSWORD).await;
        let location = location(&answer);
        assert!(location.starts_with("http://localhost:12345/callback?code=alc_"), "{location}");
        assert_eq!(parameter(&location, "state"), None, "the CLI sends none");
        assert_eq!(parameter(&location, "iss").as_deref(), Some("http://127.0.0.1:8888"));

        let answer = post(&world, TOKEN, &redemption(&parameter(&location, "code").expect("a code"))).await;
        let (session, refresh) = tokens(&answer);
        assert_eq!(answer.json, json!({
            "access_token": session, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600,
            "scope": "openid profile email offline_access",
        }));
        assert!(session.starts_with("als_") && refresh.starts_with("alr_"));

        let info = world.call(Some(&session), "GET", "/oauth2/userinfo", &Value::Null).await.expect(200);
        assert_eq!((&info["email"], &info["email_verified"]), (&json!("Ada@Example.org"), &json!(false)));
        let own = world.call(Some(&session), "GET", "/v1/users/self?createIfNotExist=true", &Value::Null).await.expect(200);
        assert_eq!((&own["username"], &own["status"], &own["id"]), (&json!("Ada@Example.org"), &json!("ACTIVE"), &info["sub"]));
        let organizations = world.call(Some(&session), "GET", "/v1/organizations?limit=100", &Value::Null).await.expect(200);
        assert_eq!(organizations["organizations"][0]["id"], json!(world.organization));
        let path = world.path("/workspaces?limit=1000&offset=0&sorts=name:asc");
        let workspaces = world.call(Some(&session), "GET", &path, &Value::Null).await.expect(200);
        assert_eq!(workspaces["workspaces"][0]["id"], json!(world.workspace));

        // Within the last five minutes of a session the CLI gets another; it keeps its refresh token.
        world.clock.advance(3600 - 200);
        let answer = post(&world, TOKEN, &renewal(&refresh)).await;
        let (second, same) = tokens(&answer);
        assert_eq!((answer.json["expires_in"].as_i64(), &same), (Some(3600), &refresh));
        assert!(opens(&world, &session).await && opens(&world, &second).await);
        world.clock.advance(200);
        assert!(!opens(&world, &session).await && opens(&world, &second).await);
        world.clock.advance(86_400);
        assert!(!opens(&world, &second).await);
        let (third, _) = tokens(&post(&world, TOKEN, &renewal(&refresh)).await);
        assert!(opens(&world, &third).await);

        let records = audited(&world, &["SignIn", "OpenSession", "RenewSession"]).await;
        let shown = |record: &Value| format!("{} {} {}", record["operationId"], record["outcome"], record["subjectName"]);
        assert_eq!(records.iter().map(shown).collect::<Vec<_>>(), [
            r#""SignIn" "CHANGED" "Ada@Example.org""#, r#""OpenSession" "CHANGED" "Ada@Example.org""#,
            r#""RenewSession" "CHANGED" "Ada@Example.org""#, r#""RenewSession" "CHANGED" "Ada@Example.org""#,
        ]);
    }

    /// `astro login --token` asks who an API token is, and needs an answer.
    async fn an_api_token_has_a_name(world) {
        let info = world.call(Some(&world.owner), "GET", "/oauth2/userinfo", &Value::Null).await.expect(200);
        assert_eq!((&info["email"], &info["name"]), (&info["sub"], &json!("First owner")));
        assert_eq!(info["email_verified"], false);
        for bad in [None, Some("als_x"), Some("alr_x"), Some("x")] {
            let answer = world.call(bad, "GET", "/oauth2/userinfo", &Value::Null).await;
            assert_eq!((answer.status, answer.json["error"].as_str()), (401, Some("invalid_token")));
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }

    /// Where nobody knows where the answer should go, the user is told, and the browser is sent
    /// nowhere; everything else the program is told.
    async fn wrong_requests_are_refused(world) {
        let good = link(&world).await;
        let mut browser = Browser::default();
        let callback = encoded(CALLBACK);
        for (from, to) in [
            (callback.as_str(), ""),
            (&callback, "https%3A%2F%2Fevil.example%2Fcallback"),
            (&callback, "http%3A%2F%2Flocalhost%3A12345%40evil.example%2F"),
            (&callback, "http%3A%2F%2Flocalhost.evil.example%2F"),
            (&callback, "http%3A%2F%2Flocalhost%2F%0D%0ALocation%3A%20x"),
            (&callback, "javascript%3Aalert(1)"),
            (&callback, "http%3A%2F%2Flocalhost%3A12345%2Fopen%3Fto%3Devil"),
            ("client_id=airlock-cli", "client_id=other"),
            ("client_id=airlock-cli", ""),
            ("prompt=login", "redirect_uri=http%3A%2F%2Flocalhost%3A1%2F"),
            ("prompt=login", &"x".repeat(5000)),
        ] {
            let link = good.replace(from, to);
            for answer in [browser.get(&world, &link).await, browser.post(&world, &link, HeaderMap::new(), String::new()).await] {
                assert_eq!((answer.status, answer.headers.get("location")), (400, None), "{to}");
                assert!(text(&answer).contains("This request is wrong"), "{to}");
            }
        }
        let challenge = challenge_of(VERIFIER);
        for (from, to, code) in [
            ("response_type=code", "response_type=token", "unsupported_response_type"),
            ("response_type=code", "", "invalid_request"),
            ("response_mode=query", "response_mode=fragment", "invalid_request"),
            ("prompt=login", "prompt=none", "login_required"),
            ("code_challenge_method=S256", "code_challenge_method=plain", "invalid_request"),
            ("code_challenge_method=S256", "", "invalid_request"),
            (&challenge, "", "invalid_request"),
            (&challenge, &challenge[1..], "invalid_request"),
            (&challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX!", "invalid_request"),
        ] {
            let link = format!("{}&state=a%26b%20%C3%BC", good.replace(from, to));
            let location = location(&browser.get(&world, &link).await);
            assert!(location.starts_with("http://localhost:12345/callback?error="), "{location}");
            let parameter = |name| parameter(&location, name);
            assert_eq!((parameter("error").as_deref(), parameter("state").as_deref()), (Some(code), Some("a&b ü")), "{to}");
        }
    }

    /// Nothing on the page is of anybody but this server, no other site can frame it or fill it in, and
    /// no cache keeps it.
    async fn the_page_is_closed(world) {
        let link = link(&world).await;
        let mut browser = Browser::default();
        let page = browser.get(&world, &format!("{link}&state=%22%3E%3Cscript%3E")).await;
        let header = |name: &str| page.headers[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-security-policy"), "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
            form-action 'self' http://localhost:12345 https:; frame-ancestors 'none'");
        assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store".into(), "no-referrer".into()));
        let cookie = header("set-cookie");
        assert!(cookie.contains("; HttpOnly; SameSite=Strict") && cookie.contains("; Path=/oauth2/authorize;"), "{cookie}");
        assert!(!text(&page).contains("<script"), "{}", text(&page));
        let wrong = browser.submit(&world, &link, &page, "\"><script>", "x").await;
        assert!(!text(&wrong).contains("<script"), "{}", text(&wrong));
        let style = browser.get(&world, "/oauth2/login.css").await;
        assert_eq!((style.status, style.headers["content-type"].as_bytes()), (200, &b"text/css; charset=utf-8"[..]));
    }

    /// A form counts only with the cookie of the page that it was on, for the same request, in time,
    /// and not from another site.
    async fn a_form_of_another_site_is_refused(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let link = link(&world).await;
        let other = format!("{link}&state=other");
        let mut browser = Browser::default();
        let page = browser.get(&world, &link).await;
        let own = browser.cookie.clone();
        let mut stranger = Browser::default();
        let strange = stranger.get(&world, &link).await;
        let form = |page: &Answer| format!("form={}&email={ADA}&password={}", form_of(page), encoded(PASSWORD));
        let site = |site| HeaderMap::from_iter([(header::HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static(site))]);
        let none = HeaderMap::new;
        for (what, cookie, path, headers, form) in [
            ("no cookie", None, &link, none(), form(&page)),
            ("another's cookie", stranger.cookie.clone(), &link, none(), form(&page)),
            ("another's form", own.clone(), &link, none(), form(&strange)),
            ("no form", own.clone(), &link, none(), format!("email={ADA}&password={}", encoded(PASSWORD))),
            ("another request", own.clone(), &other, none(), form(&page)),
            ("a later end", own.clone(), &link, none(), form(&page).replace("form=1", "form=2")),
            ("another site", own.clone(), &link, site("cross-site"), form(&page)),
            ("a neighbour", own.clone(), &link, site("same-site"), form(&page)),
        ] {
            browser.cookie = cookie;
            let answer = browser.post(&world, path, headers, form).await;
            assert_eq!((answer.status, answer.headers.get("location")), (403, None), "{what}");
        }
        browser.cookie = own.clone();
        assert_eq!(browser.post(&world, &link, site("same-origin"), form(&page)).await.status, 303);
        world.clock.advance(15 * 60);
        browser.cookie = own;
        assert_eq!(browser.post(&world, &link, none(), form(&page)).await.status, 403, "too late");
        let answer = world.send(Request::post(&link).body(Body::from(form(&page))).expect("a request")).await;
        assert_eq!(answer.status, 400, "no form at all");
    }

    /// An unknown address is answered as a wrong password is.
    async fn nobody_learns_who_has_an_account(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        world.invite("eve@example.org", "ORGANIZATION_MEMBER").await;
        let link = link(&world).await;
        let mut pages = Vec::new();
        for (email, password) in [
            (ADA, "wrong"), ("nobody@example.org", PASSWORD), ("eve@example.org", ""), ("", ""),
            ("ada\0@example.org", PASSWORD), (ADA, ""), (ADA, &PASSWORD.to_uppercase()), (ADA, &"x".repeat(100_000)),
        ] {
            let mut browser = Browser::default();
            let page = browser.get(&world, &link).await;
            let answer = browser.submit(&world, &link, &page, email, password).await;
            assert_eq!((answer.status, answer.headers.get("location")), (403, None), "{email:?}");
            // The address that was typed is shown again, and where the cursor goes depends on it.
            let same = text(&answer).replace(&form_of(&answer), "").replace(&format!("value=\"{email}\""), "").replace(" autofocus", "");
            pages.push(same.replace("value=\"\"", ""));
        }
        assert!(pages[0].contains("The e-mail address or the password is wrong, or"), "{}", pages[0]);
        assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
        let hashed = format!("airlock_password_checks_total {}\n", pages.len());
        assert!(world.metrics().await.contains(&hashed), "a hash for each, whether there is an account or not");
        let refused = audited(&world, &["SignIn"]).await;
        assert!(refused.iter().all(|record| record["outcome"] == "REFUSED" && record["entityType"] == "user"), "{refused:?}");
        assert_eq!(refused.iter().filter_map(|record| record["occurrences"].as_u64()).sum::<u64>(), 4, "{refused:?}");

        let mut browser = Browser::default();
        let page = browser.get(&world, &link).await;
        let answer = browser.submit(&world, &link, &page, &"ü".repeat(400), "x").await;
        assert!(text(&answer).contains(&format!("value=\"{}\"", "ü".repeat(127))), "a part of what is too long: {}", text(&answer));
    }

    /// Whoever has many addresses can use up the attempts at an account; its owner is let in all the
    /// same from where they have signed in before.
    async fn an_account_is_not_kept_shut(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let link = link(&world).await;
        let attempt = async |from, password: &str| {
            let mut browser = Browser { from: Some(from), ..Browser::default() };
            let page = browser.get(&world, &link).await;
            browser.submit(&world, &link, &page, ADA, password).await
        };
        let home = "192.0.2.200";
        assert_eq!(attempt(home, PASSWORD).await.status, 303);
        let mut tried = 1;
        for from in [
            "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8",
            "192.0.2.9", "192.0.2.10",
        ] {
            for _ in 0..10 {
                tried += usize::from(attempt(from, "wrong").await.status == 403);
            }
        }
        assert_eq!(tried, 100);
        assert_eq!(attempt("192.0.2.11", PASSWORD).await.status, 429, "from an address that is not known");
        assert_eq!(attempt(home, PASSWORD).await.status, 303);
        assert_eq!(attempt(home, "wrong").await.status, 403, "there attempts are limited as elsewhere");
        world.clock.advance(61);
        assert_eq!(attempt("192.0.2.12", PASSWORD).await.status, 303, "after a while");
        assert_eq!(attempt("192.0.2.13", PASSWORD).await.status, 429);
        let records = audited(&world, &["SignIn"]).await;
        let throttled = records.iter().filter(|record| record["statusCode"] == 429 && record["entityType"] == "user");
        assert_eq!(throttled.filter_map(|record| record["occurrences"].as_u64()).sum::<u64>(), 3, "{records:?}");
    }

    /// Guessing is slowed down: for an account from one address first, so that its owner, who comes from
    /// another, is let in; then for the address, and for the account.
    async fn guessing_is_slowed_down(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let link = link(&world).await;
        let attempt = async |from, email: &str, password: &str| {
            let mut browser = Browser { from: Some(from), ..Browser::default() };
            let page = browser.get(&world, &link).await;
            browser.submit(&world, &link, &page, email, password).await
        };
        for _ in 0..10 {
            assert_eq!(attempt("192.0.2.1", ADA, "wrong").await.status, 403);
        }
        let refused = attempt("192.0.2.1", "ADA@example.org", PASSWORD).await;
        assert_eq!((refused.status, refused.headers["retry-after"].as_bytes()), (429, &b"31"[..]));
        assert_eq!(attempt("192.0.2.2", ADA, PASSWORD).await.status, 303, "its owner");
        world.clock.advance(31);
        assert_eq!(attempt("192.0.2.1", ADA, PASSWORD).await.status, 303, "after a while");
        assert_eq!(attempt("192.0.2.1", ADA, PASSWORD).await.status, 429);

        // An address that tries one account after the other; the neighbours in its /48 count as it.
        let mut tried = 0;
        while attempt("2001:db8::1", &format!("user{tried}@example.org"), "wrong").await.status == 403 {
            tried += 1;
        }
        assert_eq!(tried, 50);
        assert_eq!(attempt("2001:db8::2", "other@example.org", "wrong").await.status, 429);
        assert_eq!(attempt("2001:db8:0:1::2", "other@example.org", "wrong").await.status, 429);
        assert_eq!(attempt("2001:db8:1::2", "other@example.org", "wrong").await.status, 403);
        let records = audited(&world, &["SignIn"]).await;
        let of = |reason: &str| records.iter().filter(|record| record["reason"] == reason).count();
        assert!(of("the password is wrong") > 0, "{records:?}");
    }

    /// A code is good once, for a minute, for who asked for it and where it was sent.
    async fn a_code_is_good_once(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let code = Browser::default().code(&world, ADA, PASSWORD).await;
        let good = redemption(&code);
        for (from, to, error) in [
            (VERIFIER, &VERIFIER.to_lowercase()[..], "invalid_grant"),
            (VERIFIER, &challenge_of(VERIFIER), "invalid_grant"),
            (VERIFIER, "", "invalid_request"),
            ("12345", "12346", "invalid_grant"),
            ("&redirect_uri", "&other", "invalid_request"),
            (&code, "alc_x", "invalid_grant"),
            (&code, &code.replace("alc_", "als_"), "invalid_grant"),
            (&code, "", "invalid_request"),
            ("client_id=airlock-cli", "client_id=other", "invalid_client"),
            ("client_id=airlock-cli", "", "invalid_request"),
            ("grant_type=authorization_code", "grant_type=password", "unsupported_grant_type"),
            ("grant_type=authorization_code", "grant_type=refresh_token", "invalid_request"),
            ("&code=", "&code=x&code=", "invalid_request"),
        ] {
            assert_problem(&post(&world, TOKEN, &good.replace(from, to)).await, error);
        }
        let (session, refresh) = tokens(&post(&world, TOKEN, &good).await);
        let (other, _) = signed_in(&world, ADA).await;
        assert!(opens(&world, &session).await);
        // Who has caught it, without the proof, cannot even end what it was used for.
        for (from, to) in [(VERIFIER, &VERIFIER.to_lowercase()[..]), ("12345", "12346")] {
            assert_problem(&post(&world, TOKEN, &good.replace(from, to)).await, "invalid_grant");
        }
        assert!(opens(&world, &session).await);
        // Somebody has both who should not: what it was used for ends, once.
        assert_problem(&post(&world, TOKEN, &good).await, "invalid_grant");
        assert!(!opens(&world, &session).await && opens(&world, &other).await);
        assert_problem(&post(&world, TOKEN, &renewal(&refresh)).await, "invalid_grant");
        assert_problem(&post(&world, TOKEN, &good).await, "invalid_grant");
        let records = audited(&world, &["EndSession", "OpenSession"]).await;
        let ended: Vec<_> = records.iter().filter(|record| record["operationId"] == "EndSession").collect();
        assert_eq!(ended.len(), 1, "{records:?}");
        assert_eq!(ended[0]["reason"], "the code was used before; the login that it was used for was ended");
        let again = "the code was used before; the login that it was used for has ended";
        assert!(records.iter().any(|record| record["outcome"] == "REFUSED" && record["reason"] == again), "{records:?}");

        let late = Browser::default().code(&world, ADA, PASSWORD).await;
        let fresh = Browser::default().code(&world, ADA, PASSWORD).await;
        world.clock.advance(59);
        tokens(&post(&world, TOKEN, &redemption(&fresh)).await);
        world.clock.advance(1);
        assert_problem(&post(&world, TOKEN, &redemption(&late)).await, "invalid_grant");
    }

    /// A refresh token is good until its login is ended, its time is over, or nobody has used it for a
    /// week; and never in the place of anything else.
    async fn a_refresh_token_ends(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let (session, refresh) = signed_in(&world, ADA).await;
        assert!(!opens(&world, &refresh).await, "it is no session");
        let good = renewal(&refresh);
        for (bad, error) in [
            (renewal(&session), "invalid_grant"),
            (renewal(&refresh.replace("alr_", "als_")), "invalid_grant"),
            (renewal("alr_x"), "invalid_grant"),
            (renewal(""), "invalid_request"),
            (good.replace("airlock-cli", "other"), "invalid_client"),
            (format!("{good}&refresh_token=x"), "invalid_request"),
        ] {
            assert_problem(&post(&world, TOKEN, &bad).await, error);
        }
        for _ in 0..4 {
            world.clock.advance(7 * 86_400 - 1);
            tokens(&post(&world, TOKEN, &good).await);
        }
        let (last, _) = {
            world.clock.advance(2 * 86_400 - 600);
            let answer = post(&world, TOKEN, &good).await;
            assert_eq!(answer.json["expires_in"], 604, "no session outlives its login");
            tokens(&answer)
        };
        world.clock.advance(604);
        assert!(!opens(&world, &last).await);
        assert_problem(&post(&world, TOKEN, &good).await, "invalid_grant");

        let (_, idle) = signed_in(&world, ADA).await;
        world.clock.advance(7 * 86_400);
        let answer = post(&world, TOKEN, &renewal(&idle)).await;
        assert_problem(&answer, "invalid_grant");
        assert!(answer.json["error_description"].as_str().expect("text").contains("was not used for 7 days"));
    }

    /// Logging out, with either of the two, ends the login on the next request; whoever still uses it
    /// is refused, and noticed.
    async fn a_login_ends_at_once(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        for by_refresh_token in [false, true] {
            let (session, refresh) = signed_in(&world, ADA).await;
            let (second, _) = tokens(&post(&world, TOKEN, &renewal(&refresh)).await);
            let (other, _) = signed_in(&world, ADA).await;
            assert!(opens(&world, &session).await && opens(&world, &second).await);
            let value = if by_refresh_token { &refresh } else { &session };
            assert_eq!(post(&world, "/oauth2/revoke", &format!("token={value}")).await.status, 200);
            assert!(!opens(&world, &session).await && !opens(&world, &second).await && opens(&world, &other).await);
            let answer = post(&world, TOKEN, &renewal(&refresh)).await;
            assert_problem(&answer, "invalid_grant");
            for again in [&session, &second, &refresh, "als_x", "alr_x"] {
                assert_eq!(post(&world, "/oauth2/revoke", &format!("token={again}")).await.status, 200);
            }
            assert!(opens(&world, &other).await);
        }
        let records = audited(&world, &["RevokeToken", "RenewSession"]).await;
        let of = |operation: &str, outcome: &str| {
            let is_one = |record: &&Value| record["operationId"] == operation && record["outcome"] == outcome && record["subjectName"] == ADA;
            records.iter().filter(is_one).count()
        };
        assert_eq!((of("RevokeToken", "CHANGED"), of("RenewSession", "CHANGED")), (2, 2), "{records:?}");
        assert!(of("RenewSession", "REFUSED") > 0, "{records:?}");
    }

    /// A session that nobody renewed is kept as long as its login, so that it still ends that one; what is
    /// over for long is removed.
    async fn a_session_that_is_over_ends_its_login(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let (session, refresh) = signed_in(&world, ADA).await;
        let of_command_line = world.sign_in(ADA).await;
        world.clock.advance(9 * 3600);
        world.tidied("authorization_codes").await;
        assert!(!opens(&world, &session).await && !opens(&world, &of_command_line).await);
        assert_eq!(post(&world, "/oauth2/revoke", &format!("token={session}")).await.status, 200);
        assert_problem(&post(&world, TOKEN, &renewal(&refresh)).await, "invalid_grant");
        let kept = audited(&world, &["RenewSession"]).await;
        assert_eq!((kept.len(), &kept[0]["outcome"]), (1, &json!("REFUSED")), "{kept:?}");
        world.clock.advance(7 * 86_400 + 1);
        world.tidied("logins").await;
        assert_eq!(world.database.dump("sessions").await, "");
        let answer = post(&world, TOKEN, &renewal(&refresh)).await;
        assert_problem(&answer, "invalid_grant");
        assert!(answer.json["error_description"].as_str().expect("text").contains("is unknown"), "{}", answer.json);
    }

    /// A login has so many sessions at the most.
    async fn the_oldest_session_of_a_login_ends(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let (first, refresh) = signed_in(&world, ADA).await;
        let mut others = Vec::new();
        for _ in 0..15 {
            world.clock.advance(1);
            others.push(tokens(&post(&world, TOKEN, &renewal(&refresh)).await).0);
        }
        assert!(opens(&world, &first).await);
        world.clock.advance(1);
        let (last, _) = tokens(&post(&world, TOKEN, &renewal(&refresh)).await);
        assert!(!opens(&world, &first).await && opens(&world, &others[0]).await && opens(&world, &last).await);
    }

    /// A session from the command line can be ended as well.
    async fn a_session_of_the_command_line_ends(world) {
        world.invite(ADA, "ORGANIZATION_MEMBER").await;
        let (one, other) = (world.sign_in(ADA).await, world.sign_in(ADA).await);
        assert!(opens(&world, &one).await);
        assert_eq!(post(&world, "/oauth2/revoke", &format!("token={one}")).await.status, 200);
        assert!(!opens(&world, &one).await && opens(&world, &other).await);
    }

    /// Whoever changes or takes away a password, signs somebody out or removes them, ends all that they
    /// have signed in to, with the codes that are on their way.
    async fn what_ends_a_user_ends_its_logins(world) {
        let organization = Some(&world.organization);
        let new = NewPassword::chosen("another password".into()).expect("a password");
        for how in ["set", "remove", "sign out", "delete"] {
            let email = format!("{}@example.org", how.replace(' ', ""));
            world.local_user(&email, MEMBER, PASSWORD).await;
            let (session, refresh) = signed_in(&world, &email).await;
            let code = Browser::default().code(&world, &email, PASSWORD).await;
            assert!(opens(&world, &session).await);
            match how {
                "set" => airlock_server::set_password(&world.app, organization, &email, &new).await.expect("set"),
                "remove" => airlock_server::remove_password(&world.app, organization, &email).await.expect("removed"),
                "sign out" => airlock_server::sign_out(&world.app, organization, &email).await.expect("signed out"),
                _ => {
                    let own = world.call(Some(&session), "GET", "/v1/users/self", &Value::Null).await.expect(200);
                    let path = world.path(&format!("/users/{}", own["id"].as_str().expect("an id")));
                    world.delete(&path).await.expect(204);
                }
            }
            assert!(!opens(&world, &session).await, "{how}");
            assert_problem(&post(&world, TOKEN, &renewal(&refresh)).await, "invalid_grant");
            assert_problem(&post(&world, TOKEN, &redemption(&code)).await, "invalid_grant");
            let link = link(&world).await;
            let mut browser = Browser::default();
            let page = browser.get(&world, &link).await;
            let answer = browser.submit(&world, &link, &page, &email, PASSWORD).await;
            assert_eq!(answer.status, if how == "sign out" { 303 } else { 403 }, "{how}");
        }
        let email = "set@example.org";
        assert!(Browser::default().code(&world, email, "another password").await.starts_with("alc_"));
        for error in [
            airlock_server::set_password(&world.app, organization, "nobody@example.org", &new).await,
            airlock_server::remove_password(&world.app, organization, "remove@example.org").await,
        ] {
            error.expect_err("refused");
        }
    }

    /// Who is invited comes with the first login; an invite that has ended lets nobody in.
    async fn the_first_login_accepts_the_invite(world) {
        let invite = world.invite(ADA, "ORGANIZATION_BILLING_ADMIN").await;
        world.invite("late@example.org", "ORGANIZATION_MEMBER").await;
        world.invite("later@example.org", "ORGANIZATION_MEMBER").await;
        let refused = world.add_user(ADA, Some(MEMBER), PASSWORD).await.expect_err("another role").to_string();
        assert!(refused.contains("keeps its role"), "{refused}");
        for email in [ADA, "late@example.org"] {
            world.add_user(email, None, PASSWORD).await.expect("a password");
        }
        let path = world.path(&format!("/users/{}", invite["userId"].as_str().expect("an id")));
        assert_eq!(world.get(&path).await.expect(200)["status"], "PENDING");
        let (session, _) = signed_in(&world, ADA).await;
        let user = world.get(&path).await.expect(200);
        assert_eq!((&user["status"], &user["organizationRole"]), (&json!("ACTIVE"), &json!("ORGANIZATION_BILLING_ADMIN")));
        assert!(opens(&world, &session).await);
        world.clock.advance(7 * 86_400);
        let link = link(&world).await;
        let mut browser = Browser::default();
        let page = browser.get(&world, &link).await;
        let answer = browser.submit(&world, &link, &page, "late@example.org", PASSWORD).await;
        assert_eq!(answer.status, 403);
        assert!(text(&answer).contains("the invite of late@example.org ended at 2026-01-08"), "{}", text(&answer));
        let refused = world.add_user("later@example.org", None, PASSWORD).await.expect_err("too late").to_string();
        assert!(refused.contains("the invite of later@example.org ended at 2026-01-08"), "{refused}");
    }

    /// No value of anything is kept, and no password.
    async fn nothing_secret_is_kept(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let unused = Browser::default().code(&world, ADA, PASSWORD).await;
        let (session, refresh) = signed_in(&world, ADA).await;
        let (second, _) = tokens(&post(&world, TOKEN, &renewal(&refresh)).await);
        let kept = format!("{}{:?}", world.dump().await, world.audit_log().await);
        let has = |bytes: &[u8]| dumped(bytes).iter().any(|text| kept.contains(text));
        for secret in [PASSWORD, "$argon2id$", &unused, &session, &refresh, &second] {
            assert!(!kept.contains(secret) && !has(secret.as_bytes()), "{secret}");
            let bits = secret.get(4..).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            assert!(!bits.is_some_and(|bits| has(&bits)), "the bits of {secret}");
        }
        for value in [&unused, &session, &refresh, &second] {
            assert!(has(&TokenHash::of(value).0), "what is kept would be seen");
        }
    }

    /// Only from where the Organization allows.
    async fn allowed_ranges_bind_who_signs_in(world) {
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let (session, refresh) = signed_in(&world, ADA).await;
        let code = Browser::default().code(&world, ADA, PASSWORD).await;
        let ranges = json!({"ipAddressRange": "127.0.0.0/8"});
        world.post(&world.path("/allowed-ip-address-ranges"), ranges).await.expect(200);
        let link = link(&world).await;
        let mut browser = Browser { from: Some("192.0.2.1"), ..Browser::default() };
        let page = browser.get(&world, &link).await;
        // Nobody learns whether a password was right.
        let right = browser.submit(&world, &link, &page, ADA, PASSWORD).await;
        let wrong = browser.submit(&world, &link, &page, ADA, "wrong").await;
        assert_eq!((right.status, wrong.status), (403, 403));
        let shown = |answer: &Answer| text(answer).replace(&form_of(answer), "");
        assert_eq!(shown(&right), shown(&wrong));
        // Without an address nobody is let in. What they have stays good.
        for form in [redemption(&code), renewal(&refresh)] {
            assert_problem(&post(&world, TOKEN, &form).await, "access_denied");
        }
        let answer = world.call_from("192.0.2.1", Some(&session), "GET", "/oauth2/userinfo", &Value::Null).await;
        assert_eq!(answer.status, 401);
        world.app.flush().await.expect("flushed");
        let log = world.database.dump("audit_log").await;
        for operation in ["SignIn", "OpenSession", "RenewSession", "GetUserInfo"] {
            let is_one = |line: &&str| line.contains(operation) && line.contains("none of the Organization");
            assert_eq!(log.lines().filter(is_one).count(), 1, "{operation}: {log}");
        }
    }
}

/// The same code, brought many times at once, opens one login, which is then ended.
#[tokio::test]
async fn a_code_that_is_brought_many_times_at_once() {
    for database in [Some(Database::sqlite()), Database::postgres().await].into_iter().flatten() {
        let world = World::new(database).await;
        world.local_user(ADA, MEMBER, PASSWORD).await;
        let code = Browser::default().code(&world, ADA, PASSWORD).await;
        let form = redemption(&code);
        let answers = futures_util::future::join_all((0..8).map(|_| post(&world, TOKEN, &form))).await;
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 1, "{answers:?}");
        assert!(!opens(&world, &tokens(good[0]).0).await);
    }
}

/// Who brings nonsense to be ended keeps nobody who writes waiting, and does not wait for them.
#[tokio::test]
async fn nonsense_is_not_written_about() {
    let world = World::new(Database::sqlite()).await;
    let Location::Sqlite(file) = world.database.location() else { panic!("a file") };
    let writer = rusqlite::Connection::open(file).expect("the test's database");
    writer.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    for nonsense in ["als_x", "alr_x", "alc_x"] {
        let form = format!("token={nonsense}");
        let answer = tokio::time::timeout(Duration::from_secs(2), post(&world, "/oauth2/revoke", &form)).await;
        assert_eq!(answer.expect("at once").status, 200, "{nonsense}");
    }
}

/// What users ask for is limited as their calls to the API are.
#[tokio::test]
async fn sessions_are_limited() {
    let once = NonZeroU32::new(1);
    let rate_limits = RateLimits { get: once, post: once, ..RateLimits::default() };
    let world = World::with_settings(Database::sqlite(), Settings { rate_limits, ..Settings::default() }).await;
    world.local_user(ADA, MEMBER, PASSWORD).await;
    let (session, refresh) = signed_in(&world, ADA).await;
    let form = renewal(&refresh);
    let renewals = futures_util::future::join_all((0..8).map(|_| post(&world, TOKEN, &form))).await;
    let asked = (0..8).map(|_| world.call(Some(&session), "GET", "/oauth2/userinfo", &Value::Null));
    for answers in [renewals, futures_util::future::join_all(asked).await] {
        let refused = answers.iter().find(|answer| answer.status == 429).expect("too many");
        assert_eq!(refused.json["error"], "temporarily_unavailable");
        assert!(refused.headers.contains_key("retry-after"));
    }
}

/// What one replica ends is ended on the others.
#[tokio::test]
async fn a_login_ends_on_every_replica() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::new(database).await;
    let replica = world.replica().await;
    world.local_user(ADA, MEMBER, PASSWORD).await;
    // The page of one replica is filled in at another, and the code goes to the first.
    let link = link(&world).await;
    let mut browser = Browser::default();
    let page = browser.get(&world, &link).await;
    let answer = browser.submit(&replica, &link, &page, ADA, PASSWORD).await;
    let code = parameter(&location(&answer), "code").expect("a code");
    let (session, refresh) = tokens(&post(&world, TOKEN, &redemption(&code)).await);
    assert!(opens(&world, &session).await && opens(&replica, &session).await);
    assert_eq!(post(&world, "/oauth2/revoke", &format!("token={refresh}")).await.status, 200);
    assert!(!opens(&replica, &session).await && !opens(&world, &session).await);
    assert_problem(&post(&replica, TOKEN, &renewal(&refresh)).await, "invalid_grant");
}

/// Other addresses than loopback ones are allowed by a setting, letter by letter; on https cookies go
/// over nothing else.
#[tokio::test]
async fn configured_addresses_and_https() {
    let login = LoginSettings {
        redirect_uris: vec!["https://app.example.org/callback?a=b".into()],
        ..LoginSettings::default()
    };
    let settings = Settings { login, public_url: "https://airlock.example.org".into(), ..Settings::default() };
    let world = World::with_settings(Database::sqlite(), settings).await;
    world.local_user(ADA, MEMBER, PASSWORD).await;
    let link = link_to("https://app.example.org/callback?a=b");
    let mut browser = Browser::default();
    let page = browser.get(&world, &link).await;
    let cookie = page.headers["set-cookie"].to_str().expect("text");
    assert!(cookie.starts_with("__Host-airlock-sign-in=") && cookie.contains("; Path=/; Secure;"), "{cookie}");
    let policy = page.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("form-action 'self' https://app.example.org;"), "{policy}");
    let location = location(&browser.submit(&world, &link, &page, ADA, PASSWORD).await);
    assert!(location.starts_with("https://app.example.org/callback?a=b&code=alc_"), "{location}");
    let other = link.replace("callback", "callback2");
    assert_eq!(browser.get(&world, &other).await.status, 400);

    let metadata = world.call(None, "GET", "/.well-known/oauth-authorization-server", &Value::Null).await.expect(200);
    assert_eq!(metadata["issuer"], "https://airlock.example.org");
    let config = world.call(None, "GET", "/private/v1alpha1/cli/auth-config", &Value::Null).await.expect(200);
    assert_eq!(
        config,
        json!({
            "clientId": "airlock-cli", "audience": "https://airlock.example.org", "domainUrl": "https://airlock.example.org/oauth2/",
        })
    );
}

/// The binary makes a user, lets it in, and writes no secret into its log, however much it logs.
#[tokio::test]
async fn the_command_line_makes_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let user = |arguments: &[&str]| {
        let (what, rest) = arguments.split_first().expect("what to do");
        command(&[&["user", what, "--data-dir", data], rest].concat())
    };
    assert!(Ran::new(user(&["add", ADA])).fault().contains("there is no Organization yet"));
    Ran::new(command(&["init", "--data-dir", data])).out();
    let said = Ran::new(user(&["add", ADA])).out();
    let password = said.split_whitespace().last().expect("a password");
    assert_eq!((password.len(), said.contains("ada@example.org can sign in")), (20, true), "{said}");
    for (arguments, fault) in [
        (&["add", ADA][..], "has a password already"),
        (&["add", ADA, "--role", "ORGANIZATION_OWNER"], "keeps its role"),
        (&["add", "ada"], "ada is no e-mail address"),
        (&["set-password", "eve@example.org"], "nobody with the address eve@example.org"),
        (&["set-password", ADA, "--password-stdin"], "a password has 12 characters at least"),
    ] {
        let said = Ran::new(user(arguments)).fault();
        assert!(said.contains(fault), "{said}");
    }
    let config = folder.path().join("airlock.toml");
    std::fs::write(&config, "lisen = 1\n").expect("written");
    let said = Ran::new(user(&["sign-out", ADA, "--config", config.to_str().expect("a path")])).fault();
    assert!(said.contains("unknown key lisen"), "a setting of a command within a command: {said}");

    let server = Server::start(folder.path(), &["--log", "trace"]);
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let link = format!("{}{}", server.url(), link_to(CALLBACK));
    let page = http.get(&link).send().await.expect("a page");
    let cookie = page.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let html = page.text().await.expect("text");
    let token = html.split("name=\"form\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form");
    let form = format!("form={token}&email={}&password={}", encoded(ADA), encoded(password));
    let kind = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let sent = http.post(&link).header(kind.0.clone(), kind.1).header("cookie", &cookie).body(form).send().await;
    let sent = sent.expect("an answer");
    let code = parameter(sent.headers()["location"].to_str().expect("text"), "code").expect("a code");
    let url = format!("{}{TOKEN}", server.url());
    let answer = http.post(url).header(kind.0, kind.1).body(redemption(&code)).send().await.expect("an answer");
    let tokens: Value = answer.json().await.expect("JSON");
    let (_, out, log) = server.stop();
    assert!(log.contains(" serving "), "{log}");
    for secret in [
        password,
        &code,
        tokens["access_token"].as_str().expect("a session"),
        tokens["refresh_token"].as_str().expect("one"),
        &cookie,
    ] {
        assert!(!log.contains(secret) && !out.contains(secret), "{secret}");
    }
    let said = Ran::new(user(&["remove-password", ADA])).out();
    assert!(said.contains("is signed out everywhere"), "{said}");
}
