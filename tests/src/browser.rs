//! A browser that somebody signs in with: it keeps a cookie, follows nothing, and runs no script.

use std::net::SocketAddr;

use airlock_core::login::pkce::challenge_of;
use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, header},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::{Answer, World};

/// Where the `astro` CLI listens.
pub const CALLBACK: &str = "http://localhost:12345/callback";

/// What the program proves that it asked with.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A browser.
#[derive(Default)]
pub struct Browser {
    /// What it sends as `Cookie`.
    pub cookie: Option<String>,
    /// The address that its requests come from, if not this machine.
    pub from: Option<&'static str>,
}

/// A text as a value in a form.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The link that the `astro` CLI opens, as it makes it.
pub async fn link(world: &World) -> String {
    let config = world.call(None, "GET", "/private/v1alpha1/cli/auth-config", &Value::Null).await.expect(200);
    let text = |name: &str| config[name].as_str().expect("a text").to_owned();
    let base = text("domainUrl");
    let path = base.strip_prefix("http://127.0.0.1:8888").expect("the public URL");
    assert!(path.ends_with('/'), "the CLI appends to it: {base}");
    format!(
        "{path}authorize?prompt=login&audience={}&client_id={}&redirect_uri={}&scope=openid%20profile%20email%20\
         offline_access&response_type=code&response_mode=query&code_challenge={}&code_challenge_method=S256",
        encoded(&text("audience")),
        text("clientId"),
        encoded(CALLBACK),
        challenge_of(VERIFIER),
    )
}

/// A link of a program that asks for no more than it must.
pub fn link_to(redirect_uri: &str) -> String {
    format!(
        "/oauth2/authorize?client_id=airlock-cli&response_type=code&code_challenge={}&code_challenge_method=S256\
         &redirect_uri={}",
        challenge_of(VERIFIER),
        encoded(redirect_uri),
    )
}

impl Browser {
    /// Opens a page.
    pub async fn get(&mut self, world: &World, path: &str) -> Answer {
        self.send(world, Request::get(path), Body::empty()).await
    }

    /// Fills the form of a page in and sends it.
    pub async fn submit(&mut self, world: &World, path: &str, page: &Answer, email: &str, password: &str) -> Answer {
        let form = format!("form={}&email={}&password={}", form_of(page), encoded(email), encoded(password));
        self.post(world, path, HeaderMap::new(), form).await
    }

    /// Sends a form.
    pub async fn post(&mut self, world: &World, path: &str, headers: HeaderMap, form: String) -> Answer {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.headers_mut().expect("a request").extend(headers);
        self.send(world, request, Body::from(form)).await
    }

    async fn send(&mut self, world: &World, mut request: axum::http::request::Builder, body: Body) -> Answer {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let peer = SocketAddr::new(self.from.unwrap_or("127.0.0.1").parse().expect("an address"), 4711);
        let answer = world.send(request.extension(ConnectInfo(peer)).body(body).expect("a request")).await;
        if let Some(set) = answer.headers.get(header::SET_COOKIE) {
            let set = set.to_str().expect("text");
            self.cookie = Some(set.split(';').next().expect("a pair").to_owned());
        }
        answer
    }

    /// Signs in at the link of the `astro` CLI: the code.
    pub async fn code(&mut self, world: &World, email: &str, password: &str) -> String {
        let link = link(world).await;
        let page = self.get(world, &link).await;
        let answer = self.submit(world, &link, &page, email, password).await;
        parameter(&location(&answer), "code").expect("a code")
    }
}

/// What the form of a page has in it, unseen.
pub fn form_of(page: &Answer) -> String {
    let html = String::from_utf8_lossy(&page.bytes);
    let (_, rest) = html.split_once("name=\"form\" value=\"").unwrap_or_else(|| panic!("no form: {html}"));
    rest.split('"').next().expect("a value").to_owned()
}

/// Where an answer sends the browser.
#[track_caller]
pub fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.headers["location"].to_str().expect("text").to_owned()
}

/// A parameter of an address.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8().expect("UTF-8").into_owned())
}
