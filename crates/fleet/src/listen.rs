//! Connections: accepted up to a number, none of them idle or slow for ever, and all of them ended in order.
//!
//! Not here: what is answered (`service.rs`).

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use crate::service::{Service, routes};

/// How often it is looked whether the service shall end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pause after a connection could not be accepted, as when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `is_ending` says so: then no connection is accepted, new work is refused, and what is in work may end
/// within the service's `drain_limit`. Whether all of it did.
pub fn serve(
    service: Service,
    listener: TcpListener,
    is_ending: impl Fn() -> bool + Send,
) -> io::Result<bool> {
    listener.set_nonblocking(true)?;
    // Answers wait for the sandbox's own threads; the service's only carry bytes.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let drained = runtime.block_on(accept(Arc::new(service), listener, is_ending));
    runtime.shutdown_timeout(Duration::from_secs(1));
    drained
}

async fn accept(
    service: Arc<Service>,
    listener: TcpListener,
    is_ending: impl Fn() -> bool,
) -> io::Result<bool> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = routes(Arc::clone(&service));
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(service.config.connections.max(1)));
    while !is_ending() {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let Ok((place, accepted)) = tokio::time::timeout(LOOK_EVERY, next).await else { continue };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(service.config.arrival_limit);
        let connection =
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%peer, %error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    service.begin_end();
    let drained = tokio::time::timeout(service.config.drain_limit, graceful.shutdown()).await;
    Ok(drained.is_ok())
}
