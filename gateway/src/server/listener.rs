//! Takes HTTP connections: how many, how long their headers may take, and how they end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use codepop_shared::tls::Slots;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
};

use super::Gateway;

/// Connections at the same time. Each costs a file descriptor and some 20 KiB.
const CONNECTIONS_MAX: usize = 8192;

/// Connections of one address (IPv6: of a /64) at the same time; more are closed at once. A store's guests may share an
/// address, and no address may take all places. Trusted proxies speak for many and are not counted.
const PER_ADDRESS_MAX: usize = 1024;

/// Requests at the same time on one HTTP/2 connection; no browser needs more.
const STREAMS_MAX: u32 = 100;

/// Header bytes of a request. Tokens have a few hundred.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Headers of a request.
const HEADERS_MAX: usize = 100;

/// How long a request's headers may take to arrive; also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A silent HTTP/2 connection is asked for a sign of life this often, and closed when none comes for as long.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// How long requests under way may take to end at a shutdown: the longest deadline, and a little for the answer.
const SHUTDOWN_MAX: Duration = Duration::from_secs(12);

/// Pause after an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets requests under way finish.
pub(super) async fn serve(gateway: Arc<Gateway>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let places = Slots::new(CONNECTIONS_MAX, PER_ADDRESS_MAX);
    let graceful = GracefulShutdown::new();
    let builder = builder();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let place = places.take(peer.ip());
        if place.is_none() && !gateway.proxies.contains(peer.ip()) {
            metrics::counter!("gateway_connections_refused_total").increment(1);
            tracing::debug!(client.address = %peer, "connection refused: too many from there");
            continue;
        }
        let service_gateway = Arc::clone(&gateway);
        let spoken = Arc::new(Notify::new());
        let heard = Arc::clone(&spoken);
        let service = service_fn(move |request| {
            spoken.notify_one();
            let gateway = Arc::clone(&service_gateway);
            async move { Ok::<_, Infallible>(gateway.handle(peer, request).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = unless_silent(connection, &heard).await {
                tracing::debug!(client.address = %peer, %error, "connection ended");
            }
            drop((permit, place));
        });
    }
    drop(listener);
    gateway.stop.cancel();
    tracing::info!("shutting down; requests under way may finish");
    if tokio::time::timeout(SHUTDOWN_MAX, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// Drives a connection, but only for a while if it never sends a whole request: before the protocol is known, the
/// server's own timers do not run yet.
async fn unless_silent<E>(connection: impl Future<Output = Result<(), E>>, heard: &Notify) -> Result<(), E> {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        done = &mut connection => return done,
        heard = tokio::time::timeout(HEADER_TIMEOUT, heard.notified()) => if heard.is_err() { return Ok(()) },
    }
    connection.await
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Beyond the limit connections wait in the system's queue.
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and whole; waiting for more to send would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot take a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silent_connections_end() {
        let heard = Notify::new();
        let start = tokio::time::Instant::now();
        assert_eq!(unless_silent(std::future::pending::<Result<(), ()>>(), &heard).await, Ok(()));
        assert_eq!(start.elapsed().as_secs(), HEADER_TIMEOUT.as_secs());
        heard.notify_one();
        let spoken = unless_silent(std::future::pending::<Result<(), ()>>(), &heard);
        assert!(tokio::time::timeout(HEADER_TIMEOUT * 2, spoken).await.is_err(), "it goes on once a request came");
    }
}
