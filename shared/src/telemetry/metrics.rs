//! Prometheus metrics on a listener of their own, so that the public ports never show them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where metrics are served unless told otherwise: loopback, any free port.
pub const METRICS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Upper bounds of the buckets of time histograms, in seconds: from a cached answer to the deadline of 10 s.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often samples are moved into the buckets, so that they don't pile up while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// What has been recorded, to be served by [`serve_metrics`].
#[derive(Clone)]
pub struct MetricsHandle(metrics_exporter_prometheus::PrometheusHandle);

impl std::fmt::Debug for MetricsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricsHandle")
    }
}

impl MetricsHandle {
    /// The metrics in Prometheus' text form.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

/// Makes the `metrics` macros record from now on, in the whole process.
///
/// # Errors
/// There is a recorder already.
pub fn install_recorder() -> Result<MetricsHandle, Box<dyn std::error::Error + Send + Sync>> {
    let handle = PrometheusBuilder::new().set_buckets(SECONDS)?.install_recorder()?;
    Ok(MetricsHandle(handle))
}

/// Serves `GET /metrics` in the background until `stop` is cancelled; returns the address.
///
/// # Errors
/// The address can't be listened on.
pub async fn serve_metrics(
    listen: SocketAddr,
    metrics: MetricsHandle,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let upkeep = metrics.clone();
    let page = move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()) };
    let router = Router::new()
        .route("/metrics", get(page))
        .fallback(|| async { (StatusCode::NOT_FOUND, "only /metrics is here\n") });
    let stopped = stop.clone();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
            tracing::warn!(%error, "serve metrics");
        }
    });
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        while stopped.run_until_cancelled(tick.tick()).await.is_some() {
            upkeep.0.run_upkeep();
        }
    });
    Ok(address)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_was_recorded_is_shown() {
        let stop = CancellationToken::new();
        let address = serve_metrics(METRICS_LISTEN, install_recorder().unwrap(), stop.clone()).await.unwrap();
        metrics::counter!("drinks_total", "size" => "24oz").increment(3);
        let answer = ask(address, "/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("drinks_total{size=\"24oz\"} 3"), "{answer}");
        assert!(ask(address, "/").await.starts_with("HTTP/1.1 404"));
        stop.cancel();
    }
}
