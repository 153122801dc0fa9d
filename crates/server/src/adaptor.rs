//! Between HTTP and the handlers: one function for reads, one for writes, one for downloads, made
//! for each operation from its declaration.
//!
//! Handlers do not commit: [`change::commit`] does, with the audit entry, so nothing changes unaudited. A
//! handler cannot be reached without the policy's proof, because there is no other way to make a
//! [`Call`].

use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use airlock_contract::{Operation, Time, beta, id::Id, openapi, permissions::Permission, permissions::scope::Scope};
use airlock_core::{
    Error, Result,
    policy::{self, Caller, Granted},
};
use airlock_store::{
    Reading, Stamp, Writing,
    audit::{Entry, Outcome},
    locate::locate,
};
use axum::{
    body::Body,
    extract::{Path, Request, rejection::PathRejection},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{
    App, allow_list,
    authenticate::{Session, authenticate},
    change::{self, Change, Recorded},
    envelope,
    input::{self, QueryReader},
    record,
    request::{shown_path, source_ip},
};

/// The longest body that the audit log keeps, in bytes.
const LONGEST_LOGGED: usize = 64 << 10;

/// A request that was authenticated, read, and authorized.
pub(crate) struct Call<'a, O: Operation> {
    pub(crate) app: &'a App,
    pub(crate) caller: &'a Caller,
    pub(crate) granted: &'a Granted<<O::Permission as Permission>::Scope>,
    pub(crate) path: &'a O::Path,
    pub(crate) query: &'a O::Query,
    pub(crate) body: &'a O::Body,
    pub(crate) now: Time,
    parts: &'a Parts,
    secrets_of: &'a OnceLock<Entity>,
    good: &'a OnceLock<String>,
}

impl<O: Operation> Call<'_, O> {
    /// Who changes something in this call, and when.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { at: self.now, by: self.caller.id.clone() }
    }

    /// Says that a read answers with secrets, and of what: it is in the audit log before the answer
    /// is sent.
    pub(crate) fn reads_secrets_of(&self, entity_type: &'static str, id: &impl Id) {
        self.secrets_of.get_or_init(|| Entity { entity_type, id: id.as_str().to_owned() });
    }

    /// Says that a write has looked at a thing before its transaction began, and found it good.
    pub(crate) fn found_good(&self, id: &impl Id) {
        self.good.get_or_init(|| id.as_str().to_owned());
    }

    /// Whether [`Self::found_good`] was said of a thing.
    pub(crate) fn was_found_good(&self, id: &impl Id) -> bool {
        self.good.get().is_some_and(|good| good == id.as_str())
    }

    /// The address that this call comes from, if anybody knows it.
    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        source_ip(self.app, self.parts)
    }
}

/// What something was done to, for the audit log.
struct Entity {
    entity_type: &'static str,
    id: String,
}

/// What a change came to: the answer, and what was changed.
pub(crate) struct Changed<T> {
    output: T,
    entity: Entity,
}

impl<T> Changed<T> {
    pub(crate) fn new(output: T, entity_type: &'static str, id: &impl Id) -> Self {
        Self { output, entity: Entity { entity_type, id: id.as_str().to_owned() } }
    }
}

/// What a read does.
pub(crate) trait Read<O: Operation> {
    /// Whether it looks through very much, and waits until few others do.
    const IS_LONG: bool = false;

    fn read(call: &Call<'_, O>, db: &Reading) -> impl Future<Output = Result<O::Output>> + Send;
}

/// What a write does. It may be tried again when the database asks for it, so it keeps no state.
pub(crate) trait Write<O: Operation> {
    /// Does what has to be done before the transaction begins, for it takes long: others wait for
    /// one that writes. The write cannot count on anything staying as it was then.
    fn before(_: &Call<'_, O>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    fn write(call: &Call<'_, O>, w: &Writing) -> impl Future<Output = Result<Changed<O::Output>>> + Send;
}

/// What a download answers with, and its headers.
pub(crate) trait Download<O: Operation> {
    fn download(call: &Call<'_, O>) -> impl Future<Output = Result<Response>> + Send;
}

/// What an inquiry at another server does.
pub(crate) trait Inquiry<O: Operation> {
    fn inquire(call: &Call<'_, O>) -> impl Future<Output = Result<O::Output>> + Send;
}

/// The handlers of all operations.
pub(crate) struct Handlers;

/// What is the same for all requests of an operation.
pub(crate) struct Route {
    app: App,
    query: QueryReader,
    /// Whether it has the names of v1beta1.
    renames: bool,
}

impl Route {
    pub(crate) fn new<O: Operation>(app: &App, renames: bool) -> Arc<Self> {
        Arc::new(Self { app: app.clone(), query: QueryReader::of::<O>(), renames })
    }
}

/// A request that was prepared: who makes it, what it brings, and the proof that it may.
struct Asked<'a, O: Operation> {
    route: &'a Route,
    parts: &'a Parts,
    session: Arc<Session>,
    path: O::Path,
    query: O::Query,
    body: O::Body,
    granted: Granted<<O::Permission as Permission>::Scope>,
    /// What the place was found with; a read goes on with it.
    db: Option<Reading>,
    /// Whose secrets a read answers with.
    secrets_of: OnceLock<Entity>,
    /// What was looked at before a write began.
    good: OnceLock<String>,
}

impl<O: Operation> Asked<'_, O> {
    fn call(&self) -> Call<'_, O> {
        let app = &self.route.app;
        Call {
            app,
            caller: &self.session.caller,
            granted: &self.granted,
            path: &self.path,
            query: &self.query,
            body: &self.body,
            now: app.env.now(),
            parts: self.parts,
            secrets_of: &self.secrets_of,
            good: &self.good,
        }
    }
}

impl<O: Operation> Change for Asked<'_, O>
where
    Handlers: Write<O>,
{
    type Output = O::Output;

    async fn make(&self, w: &Writing) -> Result<(O::Output, Entry)> {
        let call = self.call();
        let changed = <Handlers as Write<O>>::write(&call, w).await?;
        let entry = entry_of(self, Outcome::Changed, &changed.entity, call.now);
        Ok((changed.output, Entry { request_body: logged::<O>(&self.body)?, ..entry }))
    }
}

pub(crate) async fn read<O: Operation>(route: Arc<Route>, path: Positions, request: Request) -> Response
where
    Handlers: Read<O>,
{
    respond::<O>(&route, path, request, async |mut asked| {
        let db = match asked.db.take() {
            at_hand if <Handlers as Read<O>>::IS_LONG => {
                drop(at_hand); // nobody holds one connection while waiting for another
                route.app.store.read_long().await?
            }
            Some(db) => db,
            None => route.app.store.read().await?,
        };
        let output = <Handlers as Read<O>>::read(&asked.call(), &db).await?;
        if let Some(entity) = asked.secrets_of.get() {
            drop(db); // nobody holds one connection while waiting for another
            let entry = entry_of(&asked, Outcome::Read, entity, route.app.env.now());
            change::commit(&route.app, &Recorded(entry)).await?;
        }
        answer::<O>(&route, &output)
    })
    .await
}

pub(crate) async fn write<O: Operation>(route: Arc<Route>, path: Positions, request: Request) -> Response
where
    Handlers: Write<O>,
{
    respond::<O>(&route, path, request, async |mut asked| {
        asked.db = None; // nobody holds one connection while waiting for another
        <Handlers as Write<O>>::before(&asked.call()).await?;
        let output = change::commit(&route.app, &asked).await?;
        answer::<O>(&route, &output)
    })
    .await
}

pub(crate) async fn download<O: Operation>(route: Arc<Route>, path: Positions, request: Request) -> Response
where
    Handlers: Download<O>,
{
    respond::<O>(&route, path, request, async |mut asked| {
        asked.db = None; // it takes its own, a page at a time
        <Handlers as Download<O>>::download(&asked.call()).await
    })
    .await
}

pub(crate) async fn inquire<O: Operation>(route: Arc<Route>, path: Positions, request: Request) -> Response
where
    Handlers: Inquiry<O>,
{
    respond::<O>(&route, path, request, async |mut asked| {
        asked.db = None; // the other server may be slow
        let output = <Handlers as Inquiry<O>>::inquire(&asked.call()).await?;
        answer::<O>(&route, &output)
    })
    .await
}

/// Runs the steps before the handler, then the handler; notes what was refused.
async fn respond<O: Operation>(
    route: &Route,
    path: Positions,
    request: Request,
    handle: impl AsyncFnOnce(Asked<'_, O>) -> Result<Response>,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(error) = input::pinned_version(&parts.headers) {
        return envelope::respond(error);
    }
    let session = match authenticate(&route.app, &parts.headers).await {
        Ok(session) => session,
        Err(error) => {
            note_refusal::<O>(&route.app, &parts, None, &error);
            return envelope::respond(error);
        }
    };
    let result = match prepare::<O>(route, &parts, Arc::clone(&session), path, body).await {
        Ok(asked) => handle(asked).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        note_refusal::<O>(&route.app, &parts, Some(&session.caller), &error);
        envelope::respond(error)
    })
}

async fn prepare<'a, O: Operation>(
    route: &'a Route,
    parts: &'a Parts,
    session: Arc<Session>,
    path: Positions,
    body: Body,
) -> Result<Asked<'a, O>> {
    let app = &route.app;
    app.limits.count(O::METHOD, &session.caller.credential)?;
    allow_list::admit(app, &session.caller.organization, parts).await?;
    let Path(path) = path.map_err(|_| Error::NotFound(format!("path {}", shown_path(parts.uri.path())).into()))?;
    let path = input::path::<O>(path)?;
    let query = route.query.read(parts.uri.query())?;
    let body = input::body::<O>(&parts.headers, body, route.renames).await?;

    let target = O::target(&path, &body).target();
    let db = app.store.read().await?;
    let place = locate(&db, &target).await?;
    let granted = policy::authorize::<O::Permission>(&session.caller, &target, place)?;
    let (secrets_of, good) = (OnceLock::new(), OnceLock::new());
    Ok(Asked { route, parts, session, path, query, body, granted, db: Some(db), secrets_of, good })
}

fn answer<O: Operation>(route: &Route, output: &O::Output) -> Result<Response> {
    if !openapi::has_output::<O>() {
        return Ok(StatusCode::from_u16(O::STATUS).map_err(Error::internal)?.into_response());
    }
    let json = if route.renames {
        let mut value = serde_json::to_value(output).map_err(Error::internal)?;
        beta::answer(O::TAG, &mut value);
        serde_json::to_vec(&value)
    } else {
        serde_json::to_vec(output)
    };
    let json = json.map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

fn entry_of<O: Operation>(asked: &Asked<'_, O>, outcome: Outcome, entity: &Entity, now: Time) -> Entry {
    Entry {
        status: O::STATUS.into(),
        outcome,
        entity_type: Some(entity.entity_type.into()),
        entity_id: Some(entity.id.clone()),
        ..record::by(record::of(&asked.route.app, asked.parts, O::ID, now), &asked.session.caller)
    }
}

/// What the audit log keeps of the body of a change.
fn logged<O: Operation>(body: &O::Body) -> Result<Option<String>> {
    if !O::LOGS_BODY {
        return Ok(None);
    }
    let json = serde_json::to_string(body).map_err(Error::internal)?;
    Ok((json.len() <= LONGEST_LOGGED).then_some(json))
}

fn note_refusal<O: Operation>(app: &App, parts: &Parts, caller: Option<&Caller>, error: &Error) {
    let Some(entry) = record::refused(record::of(app, parts, O::ID, app.env.now()), error) else { return };
    app.refusals.note(match caller {
        Some(caller) => record::by(entry, caller),
        // Nobody is authenticated, so the Organization is the one that was knocked at.
        None => Entry {
            organization: parts
                .uri
                .path()
                .split('/')
                .skip_while(|part| *part != "organizations")
                .nth(1)
                .map(Into::into),
            ..entry
        },
    });
}

/// The values of the path's parameters, which the router has named by position; or why it could
/// not read them.
pub(crate) type Positions = Result<Path<HashMap<String, String>>, PathRejection>;
