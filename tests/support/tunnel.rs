//! TLS for clients that have none: a certificate authority of the test's own, files for a server, and a tunnel that
//! speaks TLS to the server for whoever connects to it. It holds next to nothing back, so that a client that stops
//! reading stops the server from writing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_buf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What each side of the tunnel may hold back.
const BUFFER: u32 = 4_096;

/// A certificate authority, and where a server finds its certificate and key.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    root: CertificateDer<'static>,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// With a first certificate for this machine.
    pub fn new() -> Self {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: TempDir::new().unwrap(), root: issuer.der().clone(), issuer };
        authority.renew();
        authority
    }

    /// Writes another certificate and its key; answers the certificate.
    pub fn renew(&self) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &self.issuer).unwrap();
        // The key first: whoever reads between the two finds what does not fit, and keeps what it has.
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
        std::fs::write(self.certificate(), certificate.pem()).unwrap();
        certificate.der().to_vec()
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection to a server, whose certificate must be the authority's.
    pub async fn connect(&self, server: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        shake_hands(self.connector(), server).await
    }

    /// Opens a tunnel to a server.
    pub fn tunnel(&self, server: SocketAddr) -> Tunnel {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(BUFFER).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, self.connector(), server));
        Tunnel { address, task }
    }

    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

/// See the module's documentation. Dropping it closes it.
#[derive(Debug)]
pub struct Tunnel {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn shake_hands(connector: TlsConnector, server: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER)?;
    let stream = socket.connect(server).await?;
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn accept(listener: TcpListener, connector: TlsConnector, server: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let connector = connector.clone();
        tokio::spawn(async move {
            // Who is not let in finds the connection closed.
            let Ok(server) = shake_hands(connector, server).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = tokio::io::split(server);
            tokio::spawn(pass_on(from_client, to_server));
            pass_on(from_server, to_client).await;
        });
    }
}

/// Until the one side ends, or breaks, which is told to the other.
async fn pass_on(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut from = tokio::io::BufReader::with_capacity(BUFFER as usize, from);
    let _ = copy_buf(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// The rest of what a connection says, however it ends.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}
