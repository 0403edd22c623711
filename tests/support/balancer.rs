//! The real nginx and the real HAProxy in front of several instances, with the files of `deploy/`: only the port and the
//! addresses are the test's.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::deadline::wait_until_async;
use super::port::free_port;
use super::proxy::nginx;

/// The instances as the files know them.
const ADDRESSES: [&str; 3] = ["10.0.0.11:3000", "10.0.0.12:3000", "10.0.0.13:3000"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    HaProxy,
}

/// A balancer, which is killed when this is dropped.
#[derive(Debug)]
pub struct Balancer {
    child: Child,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Balancer {
    /// In front of these instances, which are a, b and c.
    pub async fn start(kind: Kind, instances: [SocketAddr; 3]) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-balancer-").tempdir().unwrap();
        let port = free_port();
        let mut child = kind.command(folder.path(), port, instances).stdin(Stdio::null()).spawn().unwrap();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        wait_until_async("the balancer to listen", async || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{kind:?} ended: {ended:?}");
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        Self { child, address, _folder: folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Kind {
    fn command(self, folder: &Path, port: u16, instances: [SocketAddr; 3]) -> Command {
        let (name, program, listen) = match self {
            Self::Nginx => ("nginx.conf", nginx(), "listen 8080"),
            Self::HaProxy => ("haproxy.cfg", haproxy(), "bind :8080"),
        };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
        let mut file = fs::read_to_string(from).unwrap();
        assert!(file.contains(listen), "{name} listens");
        let verb = listen.split(' ').next().unwrap_or_default();
        file = file.replacen(listen, &format!("{verb} 127.0.0.1:{port}"), 1);
        for (known, instance) in ADDRESSES.iter().zip(instances) {
            assert!(file.contains(known), "{name} knows {known}");
            file = file.replace(known, &instance.to_string());
        }
        let path = folder.join(name);
        fs::write(&path, file).unwrap();
        let mut command = Command::new(program);
        match self {
            Self::Nginx => {
                fs::write(folder.join("main.conf"), around(folder)).unwrap();
                command.arg("-p").arg(folder).args(["-c", "main.conf", "-e", "errors.log"]);
            }
            // Its log is on its standard output.
            Self::HaProxy => _ = command.arg("-f").arg(path).args(["-db", "-q"]).stdout(Stdio::null()),
        }
        command
    }
}

/// What Debian's own file has around those in `conf.d`, with folders of the test's.
fn around(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/errors.log;
         events {{ worker_connections 1024; }}
         http {{
             client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
             gzip on;
             include {folder}/nginx.conf;
         }}"
    )
}

/// Where Debian keeps it, which is not on everybody's path.
fn haproxy() -> &'static str {
    let known = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];
    known.into_iter().find(|path| Path::new(path).exists()).unwrap_or("haproxy")
}

/// Makes two tests of each body, `NAME::nginx` and `NAME::haproxy`.
macro_rules! behind_both_balancers {
    ($($(#[$attribute:meta])* async fn $name:ident($kind:pat_param) $body:block)*) => {
        $(
            async fn $name($kind: $crate::support::balancer::Kind) $body

            mod $name {
                use $crate::support::balancer::Kind;

                $(#[$attribute])*
                #[tokio::test]
                async fn nginx() {
                    super::$name(Kind::Nginx).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn haproxy() {
                    super::$name(Kind::HaProxy).await;
                }
            }
        )*
    };
}

pub(crate) use behind_both_balancers;
