//! TLS to PostgreSQL: a server in between that insists on TLS, and behind it the real PostgreSQL.

use std::{path::PathBuf, sync::Arc};

use airlock_store::{Location, Store};
use airlock_tests::Database;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_rustls::TlsAcceptor;

/// What a client sends before TLS (PostgreSQL, "SSL Session Encryption"): length and code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server whose certificate is of a name; where it listens, and the certificate as PEM.
async fn in_front_of(socket: PathBuf, name: &str) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).expect("a key");
    let pem = made.cert.pem();
    let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")];
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, acceptor.clone(), socket.clone()));
        }
    });
    (port, pem)
}

async fn serve(mut stream: TcpStream, acceptor: TlsAcceptor, socket: PathBuf) {
    let mut asked = [0; 8];
    if stream.read_exact(&mut asked).await.is_err() || asked != SSL_REQUEST {
        return; // whoever does not ask for TLS is not served
    }
    stream.write_all(b"S").await.expect("sent");
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut postgres = UnixStream::connect(socket).await.expect("PostgreSQL");
    let _ = copy_bidirectional(&mut stream, &mut postgres).await;
}

#[tokio::test]
async fn the_certificate_and_the_name_are_checked() {
    let Some(database) = Database::postgres().await else { return };
    let Location::Postgres(url) = database.location() else { return };
    // postgres://user@/name?host=/folder
    let (base, folder) = url.split_once("?host=").expect("a socket");
    let (user, name) = base.split_once("@/").expect("a database");
    let socket = PathBuf::from(folder).join(".s.PGSQL.5432");
    let (port, pem) = in_front_of(socket.clone(), "127.0.0.1").await;
    let (other_port, other_pem) = in_front_of(socket, "postgres.example.com").await;

    let files = tempfile::tempdir().expect("a folder");
    let write = |name: &str, pem: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, pem).expect("written");
        path.display().to_string()
    };
    let (roots, other_roots) = (write("ca.pem", &pem), write("other.pem", &other_pem));
    let open = async |port: u16, parameters: &str| {
        let location = Location::Postgres(format!("{user}@127.0.0.1:{port}/{name}?{parameters}"));
        match Store::open(&location).await {
            Ok(store) => store.read().await.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        open(port, &format!("sslmode={mode}&sslrootcert={roots}")).await.expect(mode);
        // Another root, the system's roots, and another name.
        let fault = open(port, &format!("sslmode={mode}&sslrootcert={other_roots}")).await.expect_err(mode);
        assert!(fault.contains("invalid peer certificate"), "{fault}");
        let fault = open(port, &format!("sslmode={mode}")).await.expect_err(mode);
        assert!(fault.contains("certificate"), "{fault}");
        let fault = open(other_port, &format!("sslmode={mode}&sslrootcert={other_roots}")).await.expect_err(mode);
        assert!(fault.contains("not valid for name"), "{fault}");
    }
    open(port, "").await.expect_err("the server wants TLS, and nobody asked for it");
}
