//! The server's certificate, which is read again when its files change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at. Whoever cannot wait sends SIGHUP.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate that is in use. Cloning is cheap, and all clones change together.
#[derive(Clone)]
pub(crate) struct Certificate {
    files: Arc<Files>,
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

/// Where it is.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// Reads the certificate, with the chain that leads to a root, and its private key, both as PEM.
    pub(crate) fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let config = files.config(&files.read()?)?;
        Ok(Self { files: Arc::new(files), config: Arc::new(RwLock::new(config)) })
    }

    /// What makes connections with the certificate as it is now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Follows the files for as long as the future is polled. What cannot be used is told to the
    /// log once, and the certificate before it is kept.
    pub(crate) async fn follow(&self) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return std::future::pending().await };
        let mut seen = self.files.read().ok();
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = sleep(LOOK_EVERY) => false,
            };
            // Their contents are compared and not their times: those can be coarse, or set back.
            let now = self.files.read();
            if !asked && now.as_ref().ok() == seen.as_ref() {
                continue;
            }
            let config = now.as_ref().map_err(|cause| format!("{cause:#}"));
            let config = config.and_then(|pem| self.files.config(pem).map_err(|cause| format!("{cause:#}")));
            seen = now.ok();
            match config {
                Ok(config) => {
                    *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                    tracing::info!("the TLS certificate was read again");
                }
                Err(cause) => {
                    tracing::error!(cause, "the new TLS certificate is of no use; the one before it is kept");
                }
            }
        }
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<Pem> {
        let read = |file: &Path, flag| {
            fs::read(file).with_context(|| format!("the file {} cannot be read ({flag})", file.display()))
        };
        let certificate = read(&self.certificate, "--tls-certificate")?;
        Ok(Pem { certificate, key: read(&self.key, "--tls-key")? })
    }

    fn config(&self, pem: &Pem) -> anyhow::Result<Arc<ServerConfig>> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.certificate)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not PEM (--tls-certificate)", self.certificate.display()))?;
        anyhow::ensure!(!chain.is_empty(), "{} holds no certificate (--tls-certificate)", self.certificate.display());
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .with_context(|| format!("{} holds no private key as PEM (--tls-key)", self.key.display()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .with_context(|| {
                let (certificate, key) = (self.certificate.display(), self.key.display());
                format!("the certificate {certificate} and the key {key} do not go together")
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
