//! `/oauth2/userinfo`: who a session belongs to, in the form of OpenID Connect Core section 5.3.

use airlock_core::{Result, policy::Credential};
use airlock_store::users;
use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use serde_json::{Value, json};

use crate::{App, allow_list, authenticate::authenticate, oauth2};

pub(super) async fn userinfo(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match describe(&app, &parts).await {
        Ok(claims) => oauth2::answer(claims.to_string()),
        Err(error) => oauth2::refuse(&parts, &error),
    }
}

async fn describe(app: &App, parts: &Parts) -> Result<Value> {
    let session = authenticate(app, &parts.headers).await?;
    let caller = &session.caller;
    allow_list::admit(app, &caller.organization, parts).await?;
    Ok(match &caller.credential {
        Credential::Session(id) => {
            let user = users::of_caller(&app.store.read().await?, caller, id).await?;
            json!({"sub": id, "email": user.username, "email_verified": true, "name": user.full_name})
        }
        // `astro login --token` takes an API token too, and needs something in place of an address.
        Credential::ApiToken(id) => {
            json!({"sub": id, "email": caller.name, "email_verified": false, "name": caller.name})
        }
    })
}
