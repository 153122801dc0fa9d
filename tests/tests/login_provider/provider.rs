//! An identity provider that says whatever a test wants.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_core::login::pkce::challenge_of;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use percent_encoding::percent_decode_str;
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Map, Value, json};

/// What the client of the tests is called, and its secret, which a form has to encode.
pub(crate) const CLIENT: &str = "airlock:1";
pub(crate) const SECRET: &str = "s&cret";

/// A secret among its keys, which is none as everybody can have it.
const SERVED: &str = "AAAA";

/// How an ID token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    Well,
    WithNone,
    WithThePublicKeyAsASecret,
    WithTheServedSecret,
    ByAnother,
    WithAnUnknownName,
    NotAtAll,
}

/// The provider.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Mutex<Says>>);

/// What it says, and what it was asked.
pub(crate) struct Says {
    pub(crate) url: String,
    key: KeyPair,
    name: String,
    pub(crate) signed: Signed,
    /// Claims instead of the usual ones; null leaves one out.
    pub(crate) claims: Value,
    pub(crate) userinfo: Value,
    pub(crate) secret_in_body: bool,
    /// The endpoint that answers 500.
    pub(crate) broken: Option<&'static str>,
    pub(crate) issuer: Option<String>,
    /// How often it was asked for its description, and for tokens.
    pub(crate) described: u32,
    pub(crate) redeemed: u32,
    /// The nonces of the users who have come, by their challenges.
    begun: HashMap<String, String>,
    now: i64,
}

impl Provider {
    /// Serves one for as long as the test runs.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let says = Says {
            url,
            key: KeyPair::generate().expect("a key"),
            name: "first".into(),
            signed: Signed::Well,
            claims: json!({}),
            userinfo: json!({}),
            secret_in_body: false,
            broken: None,
            issuer: None,
            described: 0,
            redeemed: 0,
            begun: HashMap::new(),
            now: 1_767_225_600, // when every test begins
        };
        let provider = Self(Arc::new(Mutex::new(says)));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(me))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// What it says.
    pub(crate) fn says(&self) -> MutexGuard<'_, Says> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user has come with this.
    pub(crate) fn begin(&self, nonce: String, challenge: String) {
        self.says().begun.insert(challenge, nonce);
    }

    /// From now on it signs with another key.
    pub(crate) fn rotate(&self) {
        let mut says = self.says();
        (says.key, says.name) = (KeyPair::generate().expect("a key"), "second".into());
    }

    /// Its clock goes on.
    pub(crate) fn advance(&self, seconds: i64) {
        self.says().now += seconds;
    }
}

impl Says {
    fn id_token(&self, nonce: &str) -> String {
        let mut claims = json!({
            "iss": self.url, "aud": CLIENT, "iat": self.now, "exp": self.now + 300, "nonce": nonce,
            "sub": "subject-1", "email": "ada@example.org", "email_verified": true,
        });
        let all = claims.as_object_mut().expect("an object");
        for (name, value) in self.claims.as_object().into_iter().flatten() {
            all.insert(name.clone(), value.clone());
        }
        all.retain(|_, value| !value.is_null());
        self.sign(all)
    }

    fn sign(&self, claims: &Map<String, Value>) -> String {
        let header = |algorithm| Header { kid: Some(self.name.clone()), ..Header::new(algorithm) };
        let by = |key: &KeyPair| EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).expect("a key");
        let encode = |header: &Header, key: &EncodingKey| jsonwebtoken::encode(header, claims, key).expect("signed");
        let plain = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        match self.signed {
            Signed::Well => encode(&header(Algorithm::ES256), &by(&self.key)),
            Signed::WithNone => {
                format!(
                    "{}.{}.",
                    plain(&json!({"alg": "none", "kid": self.name})),
                    plain(&Value::Object(claims.clone()))
                )
            }
            Signed::WithThePublicKeyAsASecret => {
                let key = EncodingKey::from_secret(self.key.public_key_pem().as_bytes());
                encode(&header(Algorithm::HS256), &key)
            }
            Signed::WithTheServedSecret => {
                let secret = URL_SAFE_NO_PAD.decode(SERVED).expect("base64");
                encode(&header(Algorithm::HS256), &EncodingKey::from_secret(&secret))
            }
            Signed::ByAnother => encode(&header(Algorithm::ES256), &by(&KeyPair::generate().expect("a key"))),
            Signed::WithAnUnknownName => {
                encode(&Header { kid: Some("other".into()), ..Header::new(Algorithm::ES256) }, &by(&self.key))
            }
            Signed::NotAtAll => "x.y".into(),
        }
    }

    fn is_broken(&self, endpoint: &str) -> bool {
        self.broken == Some(endpoint)
    }
}

fn answer(json: Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

fn broken() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

async fn description(State(provider): State<Provider>) -> Response {
    let mut says = provider.says();
    says.described += 1;
    if says.is_broken("description") {
        return broken();
    }
    let url = &says.url;
    let method = if says.secret_in_body { "client_secret_post" } else { "client_secret_basic" };
    answer(json!({
        "issuer": says.issuer.as_ref().unwrap_or(url), "authorization_endpoint": format!("{url}/authorize?tenant=1"),
        "token_endpoint": format!("{url}/token"), "userinfo_endpoint": format!("{url}/me"), "jwks_uri": format!("{url}/keys"),
        "token_endpoint_auth_methods_supported": [method],
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> Response {
    let says = provider.says();
    if says.is_broken("keys") {
        return broken();
    }
    // An uncompressed point: 4, x, y.
    let point = says.key.der_bytes();
    let text = |range| URL_SAFE_NO_PAD.encode(&point[range]);
    answer(json!({"keys": [
        {"kty": "new", "kid": "passed over"},
        {"kty": "oct", "kid": says.name, "k": SERVED},
        {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": says.name, "x": text(1..33), "y": text(33..65)},
    ]}))
    .into_response()
}

async fn token(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let mut says = provider.says();
    says.redeemed += 1;
    if says.is_broken("token") {
        return broken();
    }
    let field = |name: &str| {
        let pair = body.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name)?;
        Some(percent_decode_str(pair.1).decode_utf8_lossy().into_owned())
    };
    let basic = format!("Basic {}", STANDARD.encode("airlock%3A1:s%26cret"));
    let knows_secret = if says.secret_in_body {
        field("client_secret").as_deref() == Some(SECRET) && field("client_id").as_deref() == Some(CLIENT)
    } else {
        headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == basic.as_bytes())
    };
    let is_right = field("code").as_deref() == Some("good")
        && field("grant_type").as_deref() == Some("authorization_code")
        && field("redirect_uri").as_deref() == Some("http://127.0.0.1:8888/oauth2/callback");
    let nonce = field("code_verifier").and_then(|verifier| says.begun.get(&challenge_of(&verifier)));
    let (true, true, Some(nonce)) = (knows_secret, is_right, nonce) else {
        return (StatusCode::BAD_REQUEST, answer(json!({"error": "invalid_grant"}))).into_response();
    };
    answer(json!({"access_token": "at", "token_type": "Bearer", "id_token": says.id_token(nonce)})).into_response()
}

async fn me(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let is_known = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer at");
    if is_known { answer(provider.says().userinfo.clone()) } else { StatusCode::UNAUTHORIZED.into_response() }
}
