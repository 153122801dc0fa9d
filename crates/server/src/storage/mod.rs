//! The bundle storage: where the archives of deploys are kept.
//!
//! It is a folder, or a bucket that speaks the protocol of S3. An object is there as a whole or not at
//! all, and its name is never used for anything else: what an upload was answered with is its version.
//! The database says which of them are kept ([`airlock_store::tarballs`]); [`sweep`] removes the
//! rest.

mod reader;
pub(crate) mod sweep;

use std::{
    collections::HashMap,
    fmt,
    path::{Path as FilePath, PathBuf},
    pin::Pin,
    sync::Arc,
};

use airlock_contract::{DeployId, TarballVersion};
use airlock_core::{Error, Result};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem, memory::InMemory,
    path::Path, prefix::PrefixStore,
};

pub(crate) use reader::read;

/// How much is held of an object that is being written, in bytes. S3 takes no smaller parts than
/// 5 MiB, but for the last one.
const PART: usize = 8 << 20;

/// How many objects are removed at the same time.
const AT_ONCE: usize = 16;

const ARCHIVES: &str = "archives";
const BLOCKS: &str = "blocks";
const ENDING: &str = ".tar.gz";

/// Where the archives of deploys are kept. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct BundleStorage {
    objects: Arc<dyn ObjectStore>,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
}

impl BundleStorage {
    /// In memory, and gone with the process: for tests.
    pub fn in_memory() -> Self {
        Self { objects: Arc::new(InMemory::new()), folder: None }
    }

    /// In a folder, which is made when it is not there. What is written is on the disk before it is
    /// said to be.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the folder cannot be made.
    pub fn folder(folder: &FilePath) -> Result<Self> {
        let refused =
            |cause: &dyn fmt::Display| Error::refused(format!("the folder {} is not good: {cause}", folder.display()));
        std::fs::create_dir_all(folder).map_err(|cause| refused(&cause))?;
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|cause| refused(&cause))?;
        let objects = objects.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { objects: Arc::new(objects), folder: Some(folder.to_owned()) })
    }

    /// In a bucket, `s3://bucket/prefix`. The rest is in the environment, under the names that all
    /// clients of S3 share: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    /// `AWS_ENDPOINT`, and so on.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is no such URL, or the environment is not enough.
    pub fn s3(url: &str) -> Result<Self> {
        let (bucket, prefix) = url
            .strip_prefix("s3://")
            .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
            .filter(|(bucket, _)| !bucket.is_empty())
            .ok_or_else(|| Error::refused("expected s3://bucket/prefix"))?;
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|cause| Error::refused(cause.to_string()))?;
        let bucket = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        let bucket = bucket.map_err(|cause| Error::refused(format!("the bucket cannot be used: {cause}")))?;
        Ok(Self { objects: Arc::new(PrefixStore::new(bucket, prefix)), folder: None })
    }

    /// Whether it is a folder, which replicas on other machines do not see.
    pub fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// Writes an object from pieces, of which it holds no more than a few MiB. It is there once all
    /// of them are; when one fails, there is nothing.
    ///
    /// # Errors
    ///
    /// Those of the pieces; [`Error::Busy`] when the storage fails.
    pub(crate) async fn write(&self, key: &Key, mut pieces: ByteStream) -> Result<()> {
        let mut held = BytesMut::new();
        let mut upload = None;
        while let Some(piece) = pieces.next().await {
            let written = match piece {
                Ok(piece) => {
                    held.extend_from_slice(&piece);
                    self.write_part(key, &mut upload, &mut held).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                self.give_up(upload).await;
                return Err(error);
            }
        }
        let rest = PutPayload::from(held.freeze());
        let Some(mut upload) = upload else {
            return self.objects.put(&key.0, rest).await.map(drop).map_err(failed);
        };
        let done = async {
            if rest.content_length() > 0 {
                upload.put_part(rest).await?;
            }
            upload.complete().await
        };
        if let Err(cause) = done.await {
            self.give_up(Some(upload)).await;
            return Err(failed(cause));
        }
        Ok(())
    }

    /// Sends on what is held, if it is enough for a part.
    async fn write_part(&self, key: &Key, upload: &mut Option<Multipart>, held: &mut BytesMut) -> Result<()> {
        if held.len() < PART {
            return Ok(());
        }
        let begun = match upload {
            Some(begun) => begun,
            None => upload.insert(self.objects.put_multipart(&key.0).await.map_err(failed)?),
        };
        begun.put_part(held.split().freeze().into()).await.map_err(failed)
    }

    async fn give_up(&self, upload: Option<Multipart>) {
        if let Some(mut upload) = upload
            && let Err(cause) = upload.abort().await
        {
            tracing::warn!(%cause, "what was written of an object that broke off could not be removed");
        }
    }

    /// An object; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the storage fails.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Object>> {
        match self.objects.get(&key.0).await {
            Ok(found) => Ok(Some(Object { size: found.meta.size, found })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// What is in several objects, one after another. One that is not there is a fault.
    pub(crate) fn chain(&self, keys: Vec<Key>) -> ByteStream {
        let storage = self.clone();
        let objects = stream::iter(keys).then(move |key| {
            let storage = storage.clone();
            async move {
                let object = storage.get(&key).await?;
                Ok(object.ok_or_else(|| Error::Busy(format!("the bundle storage: {} is gone", key.0)))?.pieces())
            }
        });
        Box::pin(objects.try_flatten())
    }

    /// The sizes of a deploy's blocks, in bytes, by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the storage fails.
    pub(crate) async fn blocks(&self, deploy: &DeployId) -> Result<HashMap<String, u64>> {
        self.sizes(BLOCKS, deploy).await
    }

    /// The sizes of the archives that were uploaded for a deploy, in bytes, by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the storage fails.
    pub(crate) async fn archives(&self, deploy: &DeployId) -> Result<HashMap<String, u64>> {
        self.sizes(ARCHIVES, deploy).await
    }

    async fn sizes(&self, kind: &str, deploy: &DeployId) -> Result<HashMap<String, u64>> {
        let folder = Path::from_iter([kind, deploy.as_str()]);
        let found = self.objects.list(Some(&folder));
        let named = found.map_ok(|meta| (meta.location.filename().unwrap_or_default().to_owned(), meta.size));
        named.try_collect().await.map_err(failed)
    }

    /// All objects that are ours, with the deploy that each is of.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the storage fails.
    async fn all(&self) -> Result<Vec<Stored>> {
        let found = self.objects.list(None).map_err(failed);
        found.try_filter_map(async |meta| Ok(Stored::of(meta.location))).try_collect().await
    }

    /// Removes objects. What is gone already is no fault.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the storage fails.
    async fn remove(&self, keys: impl IntoIterator<Item = Key>) -> Result<()> {
        let all = keys.into_iter().map(|key| async move {
            match self.objects.delete(&key.0).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(cause) => Err(failed(cause)),
            }
        });
        stream::iter(all).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// What is in an object, piece by piece.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

type Multipart = Box<dyn object_store::MultipartUpload>;

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Path);

impl Key {
    /// That of an archive.
    pub(crate) fn archive(deploy: &DeployId, version: &TarballVersion) -> Self {
        Self(Path::from_iter([ARCHIVES, deploy.as_str(), &format!("{version}{ENDING}")]))
    }

    /// That of a block, from which an archive will be put together. The block's name can stand in a
    /// path.
    pub(crate) fn block(deploy: &DeployId, name: &str) -> Self {
        Self(Path::from_iter([BLOCKS, deploy.as_str(), name]))
    }
}

/// An object that is there.
pub(crate) struct Object {
    /// Its length in bytes.
    pub(crate) size: u64,
    found: object_store::GetResult,
}

impl Object {
    /// What is in it, piece by piece.
    pub(crate) fn pieces(self) -> ByteStream {
        Box::pin(self.found.into_stream().map_err(failed))
    }
}

/// An object of ours.
struct Stored {
    key: Key,
    deploy: DeployId,
    /// Absent for a block.
    version: Option<TarballVersion>,
}

impl Stored {
    /// Reads the name of an object; `None` for one that we have not named.
    fn of(location: Path) -> Option<Self> {
        let parts: Vec<_> = location.parts().collect();
        let [kind, deploy, name] = parts.as_slice() else { return None };
        let deploy = DeployId::from(deploy.as_ref());
        let version = match kind.as_ref() {
            ARCHIVES => Some(TarballVersion::from(name.as_ref().strip_suffix(ENDING)?)),
            BLOCKS => None,
            _ => return None,
        };
        Some(Self { deploy, version, key: Key(location) })
    }
}

/// The storage is not there, or refuses us. The text is for the log.
fn failed(cause: object_store::Error) -> Error {
    Error::Busy(format!("the bundle storage: {cause}"))
}
