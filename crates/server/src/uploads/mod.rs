//! `/uploads/{deployId}/{dags or bundle}`: takes the archive of a deploy.
//!
//! It speaks as much of Azure's block blobs as the stock CLI does, whose client it is written for
//! (Put Blob, Put Block, Put Block List of the REST API): one `PUT` with the whole archive, or one for
//! each block and one for the list of them. The answer's `x-ms-version-id` is what the deploy is
//! finalized with. There is no token: the link is signed, names its deploy, and ends within the hour
//! ([`airlock_core::upload_link`]). An upload changes no record; that is for FinalizeDeploy.

mod block_list;
mod pieces;
mod under_way;

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
use http_body::Body as _;

use self::under_way::Place;
pub(crate) use self::under_way::Uploads;
use crate::{
    App, allow_list, envelope, input, record,
    request::shown_path,
    slots::Slot,
    storage::{BundleStorage, ByteStream, Key},
};

/// What the audit log calls a refusal here.
const OPERATION: &str = "Upload";

const PREFIX: &str = "/uploads/";

const BLOB_TYPE: &str = "x-ms-blob-type";
const VERSION_ID: HeaderName = HeaderName::from_static("x-ms-version-id");

/// The longest block id, decoded, in bytes (Put Block of Azure's REST API).
const LONGEST_BLOCK_ID: usize = 64;

/// The most blocks of an archive (Put Block List of Azure's REST API).
const MOST_BLOCKS: usize = 50_000;

/// The most archives that are uploaded for a deploy: one, and those that were not fit.
const MOST_ARCHIVES: usize = 8;

/// The longest list of blocks, in bytes: the most blocks with the longest ids.
const LONGEST_LIST: usize = 8 << 20;

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
    let place = app.uploads.begin(&deploy.organization, link.deploy())?;
    let upload = Upload { app, link: &link, place };
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
    link: &'a UploadLink,
    place: Place,
}

impl Upload<'_> {
    /// Put Blob: the whole archive at once.
    async fn whole(self, parts: &Parts, body: Body) -> Result<Response> {
        if parts.headers.get(BLOB_TYPE).is_none_or(|kind| kind != "BlockBlob") {
            return Err(Error::field("required", BLOB_TYPE, "the header must be BlockBlob"));
        }
        let (pieces, size) = self.pieces(body)?;
        self.keep(pieces, size).await
    }

    /// Put Block: a part of the archive.
    async fn block(self, id: &str, body: Body) -> Result<Response> {
        let name = block_name(id)?;
        let (pieces, size) = self.pieces(body)?;
        let room = self.expect(size)?;
        let mut blocks = self.storage().blocks(self.link.deploy()).await?;
        blocks.remove(&name);
        self.refuse_too_many("blocks", blocks.into_values(), MOST_BLOCKS, &room)?;
        let key = Key::block(self.link.deploy(), &name);
        self.write(key, pieces, room).await?;
        Ok(StatusCode::CREATED.into_response())
    }

    /// Put Block List: makes the archive of blocks. These stay until the deploy is over, so that a
    /// client that lost the answer may ask again.
    async fn put_together(self, body: Body) -> Result<Response> {
        let xml = input::collect_up_to(body, LONGEST_LIST).await?;
        let ids = block_list::read(&xml, MOST_BLOCKS).map_err(|why| Error::field("constraint", "body", why))?;
        let blocks = self.storage().blocks(self.link.deploy()).await?;
        let mut keys = Vec::with_capacity(ids.len());
        let mut size: u64 = 0;
        for id in ids {
            let name = block_name(&id)?;
            let unknown =
                || Error::field("constraint", "body", format!("lists the block {id}, which was not uploaded"));
            size = size.saturating_add(*blocks.get(&name).ok_or_else(unknown)?);
            keys.push(Key::block(self.link.deploy(), &name));
        }
        if size > self.limit() {
            return Err(too_large(self.limit()));
        }
        // A block may be uploaded once more while it is read.
        let changed =
            || Error::Conflict("a block was changed while the archive was put together; list them again".into());
        let pieces = pieces::at_most(size, self.storage().chain(keys), changed);
        self.keep(pieces, size).await
    }

    /// Keeps an archive, under a version that nothing had before.
    async fn keep(self, pieces: ByteStream, size: u64) -> Result<Response> {
        let room = self.expect(size)?;
        let archives = self.storage().archives(self.link.deploy()).await?;
        self.refuse_too_many("archives", archives.into_values(), MOST_ARCHIVES, &room)?;
        let version: TarballVersion = self.app.env.new_id();
        let key = Key::archive(self.link.deploy(), &version);
        self.write(key, pieces, room).await?;
        let headers = [(VERSION_ID, version.to_string()), (header::ETAG, format!("\"{version}\""))];
        Ok((StatusCode::CREATED, headers).into_response())
    }

    /// Writes an object. When the client goes away, this goes on until it has noticed and tidied up,
    /// and keeps its place as long.
    async fn write(self, key: Key, pieces: ByteStream, room: Slot<DeployId>) -> Result<()> {
        let (storage, taken) = (self.storage().clone(), (self.place, room));
        let written = tokio::spawn(async move {
            let _taken = taken;
            storage.write(&key, pieces).await
        });
        written.await.map_err(Error::internal)?
    }

    /// Says that so many bytes may come. Whoever asks afterwards what is there counts them in.
    fn expect(&self, size: u64) -> Result<Slot<DeployId>> {
        self.app.uploads.expect(self.link.deploy(), size, self.most())
    }

    /// Refuses what would fill the storage for the sake of one deploy, whose link may have leaked.
    fn refuse_too_many(
        &self,
        what: &str,
        mut there: impl ExactSizeIterator<Item = u64>,
        most: usize,
        room: &Slot<DeployId>,
    ) -> Result<()> {
        if there.len() >= most || there.try_fold(room.sum(), u64::checked_add).is_none_or(|sum| sum > self.most()) {
            return Err(Error::Conflict(format!("the deploy has too many {what}; create another")));
        }
        Ok(())
    }

    /// The pieces of a body, and how many bytes it may have.
    fn pieces(&self, body: Body) -> Result<(ByteStream, u64)> {
        let limit = self.limit();
        let size = body.size_hint().upper().unwrap_or(limit).min(limit);
        let patience = self.app.settings.gate.stall_timeout;
        Ok((pieces::of(body, limit, patience, self.link.time_left(self.app.env.now()))?, size))
    }

    fn storage(&self) -> &BundleStorage {
        &self.app.settings.deploys.storage
    }

    /// The largest archive, and the largest block.
    fn limit(&self) -> u64 {
        self.app.settings.deploys.upload_bytes
    }

    /// How many bytes a deploy may have in blocks, and as many in archives. A client that lost an
    /// answer begins again, with other blocks; an archive that was refused is followed by another.
    fn most(&self) -> u64 {
        self.limit().saturating_mul(2)
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
