//! `/oauth2/userinfo`: who a session belongs to, in the form of OpenID Connect Core section 5.3.

use airlock_contract::Method;
use airlock_core::{Result, policy::Credential};
use airlock_store::users;
use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    App, allow_list,
    authenticate::{Session, authenticate},
    oauth2, record,
};

/// What the audit log calls this.
const OPERATION: &str = "GetUserInfo";

pub(super) async fn userinfo(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let record = record::of(&app, &parts, OPERATION, app.env.now());
    let session = match authenticate(&app, &parts.headers).await {
        Ok(session) => session,
        Err(error) => {
            record::note_refusal(&app, record, &error);
            return oauth2::refuse(&parts, &error);
        }
    };
    match describe(&app, &parts, &session).await {
        Ok(claims) => oauth2::answer(claims.to_string()),
        Err(error) => {
            record::note_refusal(&app, record::by(record, &session.caller), &error);
            oauth2::refuse(&parts, &error)
        }
    }
}

async fn describe(app: &App, parts: &Parts, session: &Session) -> Result<Value> {
    let caller = &session.caller;
    app.limits.count(Method::Get, &caller.credential)?;
    allow_list::admit(app, &caller.organization, parts).await?;
    Ok(match &caller.credential {
        Credential::Session(id) => {
            let user = users::of_caller(&app.store.read().await?, caller, id).await?;
            // Whoever invites somebody or makes a local user types the address in; nobody looks whose it is.
            json!({"sub": id, "email": user.username, "email_verified": false, "name": user.full_name})
        }
        // `astro login --token` takes an API token too, and needs something in place of an address. Its
        // name would not do: somebody could give it somebody's address.
        Credential::ApiToken(id) => {
            json!({"sub": id, "email": id, "email_verified": false, "name": caller.name})
        }
    })
}
