//! TLS by the server itself: a certificate and its key from files, read again when they have changed, so that a
//! certificate that is renewed needs no restart. Files that do not fit each other leave the old ones in force.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::config::ServerSettings;

/// The one protocol that is spoken inside.
const PROTOCOL: &[u8] = b"http/1.1";

/// What is shown to clients; another once the files have changed.
#[derive(Debug)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

/// By which a change of the files is known: their times and their inodes, of what a link leads to.
type Mark = [Option<(u64, i64, i64, u64)>; 2];

/// The configuration, where a certificate is configured. Must be called inside an actix system, where it goes on
/// looking after the files.
pub(super) fn configuration(settings: &ServerSettings) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let (Some(chain), Some(key)) = (&settings.tls_certificate, &settings.tls_key) else { return Ok(None) };
    let (chain, key) = (PathBuf::from(chain), PathBuf::from(key));
    // Before it is read: what changes meanwhile is found by the next look.
    let mark = mark(&chain, &key);
    let current = RwLock::new(Arc::new(read(&chain, &key)?));
    let certificate = Arc::new(Certificate { chain, key, current });
    let watched = Arc::downgrade(&certificate);
    let pace = Duration::from_millis(settings.tls_reload_ms);
    actix::spawn(async move {
        let mut known = mark;
        loop {
            sleep(pace).await;
            let Some(certificate) = watched.upgrade() else { break };
            let looked = tokio::task::spawn_blocking(move || certificate.look(known)).await;
            known = looked.unwrap_or(known);
        }
    });
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Some(Arc::new(config)))
}

fn read(chain: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let of_chain = || format!("server.tls_certificate {}", chain.display());
    let of_key = || format!("server.tls_key {}", key.display());
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(of_chain)?;
    anyhow::ensure!(!certificates.is_empty(), "{}: there is no certificate in it", of_chain());
    let private = PrivateKeyDer::from_pem_file(key).with_context(of_key)?;
    CertifiedKey::from_der(certificates, private, &ring::default_provider())
        .with_context(|| format!("{} and {} do not fit each other", of_chain(), of_key()))
}

fn mark(chain: &Path, key: &Path) -> Mark {
    [chain, key].map(|path| {
        let data = fs::metadata(path).ok()?;
        Some((data.ino(), data.mtime(), data.mtime_nsec(), data.size()))
    })
}

impl Certificate {
    /// Reads the files again if they are not what they were. A failure is said once, and the next change is awaited.
    fn look(&self, known: Mark) -> Mark {
        let now = mark(&self.chain, &self.key);
        if now != known {
            match read(&self.chain, &self.key) {
                Ok(fresh) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                    log::info!("the certificate was read again");
                }
                Err(error) => log::error!("the certificate has changed and the old one stays: {error:#}"),
            }
        }
        now
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
