//! `/uploads/{deployId}/{dags or bundle}`: takes the archive of a deploy.
//!
//! It speaks as much of Azure's block blobs as the stock CLI does, whose client it is written for
//! (Put Blob, Put Block, Put Block List of the REST API): one `PUT` with the whole archive, or one for
//! each block and one for the list of them. The answer's `x-ms-version-id` is what the deploy is
//! finalized with. There is no token: the link is signed, names its deploy, and ends within the hour
//! ([`airlock_core::upload_link`]). An upload changes no record; that is for FinalizeDeploy.

mod block_list;
mod pieces;

use std::collections::HashMap;

use airlock_contract::{DeployId, TarballVersion, wire::DeployStatus};
use airlock_core::{
    Error, Result,
    upload_link::{Part, UploadLink},
};
use airlock_store::{audit::Entry, deploys};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::put,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    App, allow_list, envelope, input, record,
    request::shown_path,
    storage::{ByteStream, Key},
};

/// What the audit log calls a refusal here.
const OPERATION: &str = "Upload";

const PREFIX: &str = "/uploads/";

const BLOB_TYPE: &str = "x-ms-blob-type";
const VERSION_ID: HeaderName = HeaderName::from_static("x-ms-version-id");

/// How many uploads are under way at the same time. Each holds some MiB.
const AT_ONCE: usize = 32;

/// The longest block id, decoded, in bytes (Put Block of Azure's REST API).
const LONGEST_BLOCK_ID: usize = 64;

/// The most blocks of an archive (Put Block List of Azure's REST API).
const MOST_BLOCKS: usize = 50_000;

/// The longest list of blocks, in bytes: the most blocks with the longest ids.
const LONGEST_LIST: usize = 8 << 20;

/// How many uploads are under way.
pub(crate) struct Uploads(Semaphore);

impl Default for Uploads {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Uploads {
    fn begin(&self) -> Result<SemaphorePermit<'_>> {
        self.0.try_acquire().map_err(|_| Error::Busy(format!("{AT_ONCE} uploads are under way")))
    }
}

pub(crate) fn routes(app: &App) -> Router {
    Router::new().route("/uploads/{deploy}/{part}", put(answer)).with_state(app.clone())
}

async fn answer(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match take(&app, &parts, body).await {
        Ok(response) => response,
        Err(error) => {
            note_refusal(&app, &parts, &error).await;
            envelope::respond(error)
        }
    }
}

/// Notes a refusal for the audit log of the Organization that was knocked at.
async fn note_refusal(app: &App, parts: &Parts, error: &Error) {
    let entry = record::of(app, parts, OPERATION, app.env.now());
    let Some(entry) = record::refused(entry, error) else { return };
    let organization = async {
        let (deploy, _) = named(parts)?;
        deploys::organization_of(&app.store.read().await?, &deploy).await
    };
    app.refusals.note(Entry { organization: organization.await.ok().flatten(), ..entry });
}

async fn take(app: &App, parts: &Parts, body: Body) -> Result<Response> {
    let query: HashMap<_, _> = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect();
    let value = |name: &str| query.get(name).map(AsRef::as_ref);
    let link = open(app, parts, value("se").unwrap_or_default(), value("sig").unwrap_or_default())?;
    let deploy = deploys::awaited(&app.store.read().await?, &link).await?;
    let deploy = deploy.ok_or_else(|| Error::NotFound("deploy".into()))?;
    allow_list::admit(app, &deploy.organization, parts).await?;
    if deploy.status != DeployStatus::Initialized {
        return Err(Error::Conflict("the deploy takes no upload any more; create another".into()));
    }
    let _permit = app.uploads.begin()?;
    let upload = Upload { app, deploy: link.deploy() };
    match value("comp") {
        None => upload.whole(parts, body).await,
        Some("block") => upload.block(value("blockid").unwrap_or_default(), body).await,
        Some("blocklist") => upload.put_together(body).await,
        Some(_) => Err(Error::field("constraint", "comp", "must be block or blocklist, or absent")),
    }
}

/// The link that a request came with.
fn open(app: &App, parts: &Parts, expires: &str, signature: &str) -> Result<UploadLink> {
    let (deploy, part) = named(parts)?;
    UploadLink::open(&app.keys, deploy, part, expires, signature, app.env.now())
}

/// What the path names.
fn named(parts: &Parts) -> Result<(DeployId, Part)> {
    let rest = parts.uri.path().strip_prefix(PREFIX).and_then(|rest| rest.split_once('/'));
    let named = rest.and_then(|(deploy, part)| Some((DeployId::from(deploy), Part::named(part)?)));
    named.ok_or_else(|| Error::NotFound(format!("path {}", shown_path(parts.uri.path())).into()))
}

/// An upload for a deploy that awaits one.
struct Upload<'a> {
    app: &'a App,
    deploy: &'a DeployId,
}

impl Upload<'_> {
    /// Put Blob: the whole archive at once.
    async fn whole(&self, parts: &Parts, body: Body) -> Result<Response> {
        if parts.headers.get(BLOB_TYPE).is_none_or(|kind| kind != "BlockBlob") {
            return Err(Error::field("required", BLOB_TYPE, "the header must be BlockBlob"));
        }
        self.keep(self.pieces(body)?).await
    }

    /// Put Block: a part of the archive.
    async fn block(&self, id: &str, body: Body) -> Result<Response> {
        let name = block_name(id)?;
        let mut blocks = self.app.settings.deploys.storage.blocks(self.deploy).await?;
        blocks.remove(&name);
        // A client that lost an answer begins again, with other ids.
        let most = self.limit().saturating_mul(2);
        if blocks.len() >= MOST_BLOCKS || blocks.values().fold(0, |sum: u64, size| sum.saturating_add(*size)) > most {
            return Err(Error::Conflict("the deploy has too many blocks; create another".into()));
        }
        self.write(Key::block(self.deploy, &name), self.pieces(body)?).await?;
        Ok(StatusCode::CREATED.into_response())
    }

    /// Put Block List: makes the archive of blocks. These stay until the deploy is over, so that a
    /// client that lost the answer may ask again.
    async fn put_together(&self, body: Body) -> Result<Response> {
        let xml = input::collect_up_to(body, LONGEST_LIST).await?;
        let ids = block_list::read(&xml).map_err(|why| Error::field("type", "body", why))?;
        if ids.len() > MOST_BLOCKS {
            return Err(Error::field("constraint", "body", format!("lists more than {MOST_BLOCKS} blocks")));
        }
        let blocks = self.app.settings.deploys.storage.blocks(self.deploy).await?;
        let mut keys = Vec::with_capacity(ids.len());
        let mut size: u64 = 0;
        for id in ids {
            let name = block_name(&id)?;
            let unknown =
                || Error::field("constraint", "body", format!("lists the block {id}, which was not uploaded"));
            size = size.saturating_add(*blocks.get(&name).ok_or_else(unknown)?);
            keys.push(Key::block(self.deploy, &name));
        }
        if size > self.limit() {
            return Err(too_large(self.limit()));
        }
        self.keep(self.app.settings.deploys.storage.chain(keys)).await
    }

    /// Keeps an archive, under a version that nothing had before.
    async fn keep(&self, pieces: ByteStream) -> Result<Response> {
        let version: TarballVersion = self.app.env.new_id();
        self.write(Key::archive(self.deploy, &version), pieces).await?;
        let headers = [(VERSION_ID, version.to_string()), (header::ETAG, format!("\"{version}\""))];
        Ok((StatusCode::CREATED, headers).into_response())
    }

    /// Writes an object. When the client goes away, this goes on until it has noticed and tidied up.
    async fn write(&self, key: Key, pieces: ByteStream) -> Result<()> {
        let storage = self.app.settings.deploys.storage.clone();
        tokio::spawn(async move { storage.write(&key, pieces).await }).await.map_err(Error::internal)?
    }

    fn pieces(&self, body: Body) -> Result<ByteStream> {
        pieces::of(body, self.limit(), self.app.settings.gate.stall_timeout)
    }

    fn limit(&self) -> u64 {
        self.app.settings.deploys.upload_bytes
    }
}

fn too_large(limit: u64) -> Error {
    Error::TooLarge(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What a block is called in the storage, from its id, which is base64.
fn block_name(id: &str) -> Result<String> {
    let wrong = || {
        let message = format!("must be base64 of 1 to {LONGEST_BLOCK_ID} bytes");
        Error::field("constraint", "blockid", message)
    };
    let bytes = STANDARD.decode(id).map_err(|_| wrong())?;
    if bytes.is_empty() || bytes.len() > LONGEST_BLOCK_ID { Err(wrong()) } else { Ok(URL_SAFE_NO_PAD.encode(bytes)) }
}
