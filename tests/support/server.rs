//! The server on a thread of this process, under [`TestApp`](super::app::TestApp).

use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bellhop::app::App;
use bellhop::config::{self, Sources};
use bellhop::domain::Clock;
use tokio::sync::oneshot;

use super::deadline::{SOON, soon, wait_until_async};

/// The server's thread.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) addresses: Vec<SocketAddr>,
    /// None once it was told to stop.
    stop: Option<oneshot::Sender<()>>,
    /// What `run` answered; hung up by a panic. None once that was read.
    ended: Mutex<Option<mpsc::Receiver<anyhow::Result<()>>>>,
}

impl Server {
    pub(super) async fn start(environment: &[(String, String)], clock: Arc<dyn Clock>) -> Self {
        let sources = Sources { files: Vec::new(), environment: environment.to_vec() };
        let settings = config::load(&sources).expect("the settings are in order");
        let (stop, told_to_stop) = oneshot::channel::<()>();
        let (started, addresses) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let run = async move {
            let app = App::build_with_clock(settings, clock).await?;
            let _ = started.send(app.addresses());
            app.run(async move { drop(told_to_stop.await) }).await
        };
        thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                let system = actix::System::new();
                let result = system.block_on(run);
                let _ = end.send(result);
            })
            .unwrap();
        let Ok(addresses) = soon("the server starts", addresses).await else {
            panic!("the server does not start: {:?}", ended.recv_timeout(SOON));
        };
        Self { addresses, stop: Some(stop), ended: Mutex::new(Some(ended)) }
    }

    pub(super) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(super) async fn stop(&mut self) {
        self.begin_stop();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let ended = ended.expect("the server runs");
        wait_until_async("the server stops", async || match ended.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the server panicked"),
        })
        .await
        .expect("the server stops without an error");
    }

    /// Waits until it has ended, unless that was seen before.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match ended.map(|ended| ended.recv_timeout(SOON)) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(RecvTimeoutError::Timeout)) => Err(anyhow::anyhow!("still running after {SOON:?}")),
            Some(Err(RecvTimeoutError::Disconnected)) => Err(anyhow::anyhow!("the server panicked")),
        }
    }
}
