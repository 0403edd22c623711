//! Between the listening socket and the HTTP server: a connection gets a place or is gone, and TLS where that is
//! configured. What is refused costs a system call or two, before anything is set up for it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_service,
    map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::patience::Patience;
use super::stream::Stream;
use super::{allowance, listen, tls};
use crate::config::ServerSettings;
use crate::http::Limits;
use crate::telemetry::Metrics;

/// How long a client has to end its side of a connection that the server has ended.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module's documentation. One for all listeners and workers.
#[derive(Clone)]
pub(super) struct Gate {
    limits: Limits,
    metrics: Metrics,
    tls: Option<TlsAcceptor>,
    /// How long a TLS handshake may take, and a request's head.
    request_timeout: Duration,
    keep_alive: Duration,
}

impl Gate {
    pub(super) fn new(limits: Limits, metrics: Metrics, settings: &ServerSettings) -> anyhow::Result<Self> {
        Ok(Self {
            limits,
            metrics,
            tls: tls::configuration(settings)?.map(TlsAcceptor::from),
            request_timeout: Duration::from_millis(settings.request_timeout_ms),
            keep_alive: Duration::from_millis(settings.keep_alive_ms),
        })
    }

    /// Listens, and has an application served to whoever is let in; answers where.
    pub(super) fn run<F, I, S, B>(
        &self,
        settings: &ServerSettings,
        application: F,
    ) -> anyhow::Result<(Server, Vec<SocketAddr>)>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: std::fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let mut server = Server::build()
            // Too many are refused here, not left waiting there.
            .max_concurrent_connections(usize::MAX)
            .shutdown_timeout(settings.drain_timeout_ms.div_ceil(1000))
            .disable_signals();
        if settings.workers > 0 {
            server = server.workers(settings.workers);
        }
        let mut addresses = Vec::new();
        for listener in listen::listeners(settings)? {
            addresses.push(listener.local_addr()?);
            server = self.serve(server, listener, application.clone())?;
        }
        Ok((server.run(), addresses))
    }

    fn serve<F, I, S, B>(
        &self,
        builder: ServerBuilder,
        listener: TcpListener,
        application: F,
    ) -> io::Result<ServerBuilder>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: std::fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let (gate, address) = (self.clone(), listener.local_addr()?);
        let stopping = builder.graceful_shutdown_signal();
        builder.listen(address.to_string(), listener, move || {
            let (gate, stopping) = (gate.clone(), stopping.clone());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(gate.keep_alive)
                .client_request_timeout(gate.request_timeout)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .local_addr(address)
                .on_connect_ext(listen::remember)
                .finish(apply_fn_factory(
                    map_config(
                        application().into_factory().map_err(|error: S::Error| error.into().error_response()),
                        |()| AppConfig::default(),
                    ),
                    allowance::answer,
                ));
            fn_service(move |stream: TcpStream| gate.clone().let_in(stream)).and_then(http)
        })
    }

    async fn let_in(
        self,
        stream: TcpStream,
    ) -> Result<(Stream, Protocol, Option<SocketAddr>), DispatchError> {
        let peer = stream.peer_addr().map_err(DispatchError::Io)?;
        let Some(place) = self.limits.place(peer.ip()) else {
            // No goodbye: ends of connections that wait for the other side's would pile up in the kernel. If that
            // fails, the connection is gone already.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return Err(DispatchError::Io(ErrorKind::ConnectionRefused.into()));
        };
        let patience = Patience::new(self.keep_alive + self.request_timeout);
        let stream = match &self.tls {
            None => Stream::plain(stream, patience, place),
            Some(tls) => {
                let shaken = timeout(self.request_timeout, tls.accept(stream)).await;
                let stream = shaken.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())).map_err(|error| {
                    self.metrics.refused("tls_handshake").inc();
                    DispatchError::Io(error)
                })?;
                Stream::tls(stream, patience, place)
            }
        };
        Ok((stream, Protocol::Http1, Some(peer)))
    }
}
