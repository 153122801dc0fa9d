//! TLS to PostgreSQL.
//!
//! `sslmode` in the URL decides. `require`, `verify-ca` and `verify-full` all mean TLS with the
//! server's certificate and name checked, against the system's roots or those of `sslrootcert`.
//! libpq checks less for the first two, which helps nobody who sits in between. Without `sslmode`,
//! or with `disable` or `prefer`, nothing is encrypted.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use airlock_core::{Error, Result};
use percent_encoding::percent_decode_str;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Client, Config, Connection, Socket,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::TlsConnector;

/// A database to connect to, and how to speak TLS then.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
}

impl Target {
    /// Connects, beside any pool.
    pub(crate) async fn connect(
        &self,
    ) -> std::result::Result<(Client, Connection<Socket, Encrypted>), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }
}

/// Reads a connection URL, or a string of keywords.
///
/// # Errors
///
/// [`Error::Invalid`] when it is not one, or the roots that it names cannot be read.
pub(crate) fn target(url: &str) -> Result<Target> {
    let (url, asked) = Asked::of(url);
    let refused = |cause| Error::refused(format!("the database URL is not one: {cause}"));
    let mut config: Config = url.parse().map_err(refused)?;
    if !asked.encrypts && config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
        return Ok(Target { config, tls: Tls(None) });
    }
    config.ssl_mode(SslMode::Require);
    let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots(asked.roots.as_deref())?)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"postgresql".to_vec()]; // wanted with sslnegotiation=direct
    Ok(Target { config, tls: Tls(Some(Arc::new(client))) })
}

/// What the URL says of TLS that `tokio_postgres` does not know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    encrypts: bool,
    roots: Option<String>,
}

impl Asked {
    /// Takes it out of a URL, or out of a string of keywords.
    fn of(url: &str) -> (String, Self) {
        let (base, separator, parameters) = match url.split_once('?') {
            Some((base, parameters)) if url.contains("://") => (format!("{base}?"), '&', parameters),
            _ if url.contains("://") => return (url.to_owned(), Self::default()),
            _ => (String::new(), ' ', url),
        };
        let mut asked = Self::default();
        let mut rest = Vec::new();
        for parameter in parameters.split(separator) {
            match parameter.split_once('=') {
                Some(("sslmode", "verify-ca" | "verify-full")) => asked.encrypts = true,
                Some(("sslrootcert", file)) if separator == '&' => {
                    asked.roots = Some(percent_decode_str(file).decode_utf8_lossy().into_owned());
                }
                Some(("sslrootcert", file)) => asked.roots = Some(file.trim_matches('\'').to_owned()),
                _ => rest.push(parameter),
            }
        }
        (base + &rest.join(&separator.to_string()), asked)
    }
}

fn roots(file: Option<&str>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match file {
        // libpq has this word too.
        None | Some("system") => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        Some(file) => {
            let fault = |cause: &dyn std::fmt::Display| {
                Error::refused(format!("the certificates {file} cannot be read (sslrootcert): {cause}"))
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|cause| fault(&cause))? {
                roots.add(certificate.map_err(|cause| fault(&cause))?).map_err(|cause| fault(&cause))?;
            }
        }
    }
    if roots.is_empty() {
        return Err(Error::refused(
            "there is no certificate to check PostgreSQL's against; name a file with sslrootcert in the database URL",
        ));
    }
    Ok(roots)
}

/// Speaks TLS, if so configured. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Tls(Option<Arc<ClientConfig>>);

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        Ok(Handshake { config: self.0.clone(), domain: domain.to_owned() })
    }
}

/// One connection's handshake to be.
pub(crate) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    domain: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or_else(|| io::Error::other("TLS is not configured"))?;
            let name = ServerName::try_from(self.domain).map_err(io::Error::other)?;
            Ok(Encrypted(TlsConnector::from(config).connect(name, socket).await?))
        })
    }
}

/// A connection that speaks TLS.
pub(crate) struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    /// None: rustls does not tell the hash that it would take. The certificate is checked instead.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpq_knows_is_taken_out() {
        let asked = |encrypts, roots: Option<&str>| Asked { encrypts, roots: roots.map(Into::into) };
        for (url, rest, expected) in [
            ("postgres://a@b/c", "postgres://a@b/c", asked(false, None)),
            ("postgres://a@b/c?sslmode=verify-full", "postgres://a@b/c?", asked(true, None)),
            (
                "postgres://a@b/c?application_name=x&sslmode=verify-ca&sslrootcert=%2Fa%20b.pem&connect_timeout=2",
                "postgres://a@b/c?application_name=x&connect_timeout=2",
                asked(true, Some("/a b.pem")),
            ),
            ("host=b sslmode=verify-full sslrootcert='/ca.pem' user=a", "host=b user=a", asked(true, Some("/ca.pem"))),
            ("host=b sslmode=require", "host=b sslmode=require", asked(false, None)),
        ] {
            assert_eq!(Asked::of(url), (rest.to_owned(), expected), "{url}");
            assert!(rest.parse::<Config>().is_ok(), "{rest}");
        }
    }

    #[test]
    fn unreadable_roots_are_named() {
        let fault = target("postgres://a@b/c?sslmode=require&sslrootcert=/no/such.pem").err().map(|e| e.to_string());
        assert!(fault.as_deref().is_some_and(|text| text.contains("/no/such.pem")), "{fault:?}");
    }
}
