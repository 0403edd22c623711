//! The real nginx in front of a server, as it comes: it speaks HTTP/1.0 to the server behind it, and gathers and
//! compresses answers unless it is told not to.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::deadline::wait_until_async;
use super::port::free_port;

/// A proxy in front of a server, which is killed when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    pub port: u16,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Where nginx's own defaults decide: answers are buffered, and compressed whatever their type.
    pub async fn before(server: SocketAddr) -> Self {
        Self::saying(server, "").await
    }

    /// The same with these directives for what it passes on.
    pub async fn saying(server: SocketAddr, directives: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-nginx-").tempdir().unwrap();
        let port = free_port();
        fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), port, server, directives))
            .unwrap();
        let mut child = Command::new(nginx())
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "errors.log"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed");
        wait_until_async("nginx to listen", async || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "nginx ended: {ended:?}");
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self { child, port, _folder: folder }
    }
}

/// Where Debian keeps it, which is not on everybody's path.
pub(super) fn nginx() -> &'static str {
    let known = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx"];
    known.into_iter().find(|path| Path::new(path).exists()).unwrap_or("nginx")
}

fn configuration(folder: &Path, port: u16, server: SocketAddr, directives: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/errors.log;
         events {{ }}
         http {{
             access_log off; gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;
             client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
             server {{
                 listen 127.0.0.1:{port};
                 location / {{ proxy_pass http://{server}; {directives} }}
             }}
         }}"
    )
}
