//! What the audit log keeps of a request.

use airlock_contract::{Time, wire::SubjectType};
use airlock_core::{Error, policy::Caller};
use airlock_store::{audit::Entry, users::User};
use axum::http::request::Parts;

use crate::{
    App, envelope,
    request::{Origin, RequestId, shown_path},
};

/// A record of a request, of which nobody knows yet whose it is: a refusal, until somebody says
/// otherwise.
pub(crate) fn of(app: &App, parts: &Parts, operation: &str, now: Time) -> Entry {
    let origin = Origin::of(app, parts);
    Entry {
        method: parts.method.as_str().into(),
        path: shown_path(parts.uri.path()),
        source_ip: origin.source_ip.map(|ip| ip.to_string()),
        user_agent: origin.user_agent,
        client: origin.client,
        client_version: origin.client_version,
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        ..Entry::new(&app.env, now, operation)
    }
}

/// The same record with who made the request.
pub(crate) fn by(entry: Entry, caller: &Caller) -> Entry {
    Entry {
        organization: Some(caller.organization.clone()),
        subject_id: Some(caller.id.clone()),
        subject_type: Some(caller.kind),
        subject_name: Some(caller.name.clone()),
        ..entry
    }
}

/// The same record with the user who made the request, and whom it is about.
pub(crate) fn of_user(entry: Entry, user: &User) -> Entry {
    Entry {
        organization: Some(user.organization.clone()),
        subject_id: Some(user.id.clone().into()),
        subject_type: Some(SubjectType::User),
        subject_name: Some(user.username.clone()),
        entity_type: Some("user".into()),
        entity_id: Some(user.id.to_string()),
        ..entry
    }
}

/// Notes a refusal for the audit log, unless the error refuses nobody ([`refused`]).
pub(crate) fn note_refusal(app: &App, entry: Entry, error: &Error) {
    if let Some(entry) = refused(entry, error) {
        app.refusals.note(entry);
    }
}

/// The same record with why the request was refused; `None` for an error that refuses nobody, such
/// as a mistake in the input or a fault of ours.
pub(crate) fn refused(entry: Entry, error: &Error) -> Option<Entry> {
    let is_refusal = matches!(error, Error::Unauthenticated(_) | Error::Denied(_) | Error::Hidden(_));
    is_refusal.then(|| Entry {
        status: envelope::status(error).as_u16().into(),
        reason: Some(error.to_string()),
        ..entry
    })
}
