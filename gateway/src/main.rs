//! The gateway's program: `run` serves, `init` makes keys and a certificate request.

mod settings;

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use codepop_gateway::{Gateway, upstream::Security};
use codepop_shared::{
    request::{REQUEST_FILE, init_gateway},
    telemetry::{init_logs, install_recorder, log_filter, serve_metrics},
    tls::keep_renewed,
};
use tokio::{net::TcpListener, signal::unix::SignalKind};
use tokio_util::sync::CancellationToken;

use self::settings::{DataArgs, RunArgs, Settings};

/// How long threads may linger after the server has stopped.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(1);

/// REST in, gRPC out: the door of the mobile app
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve REST and speak gRPC to the nodes
    Run(Box<RunArgs>),
    /// Make keys and a request for a certificate, to be signed with `codepop-node pki issue`
    Init {
        #[command(flatten)]
        data: DataArgs,
        /// Name for people
        #[arg(long, env = "GATEWAY_NAME", default_value = "gateway")]
        name: String,
    },
}

fn main() -> ExitCode {
    // An error means that another part of the process chose the provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match Cli::parse().command {
        Command::Init { data, name } => init(&data, &name),
        Command::Run(args) => run(*args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codepop-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn init(data: &DataArgs, name: &str) -> anyhow::Result<()> {
    let (request, is_new) = init_gateway(&data.data_dir, name).context("make keys and request")?;
    let path = data.data_dir.join(REQUEST_FILE);
    let what = if is_new { "made" } else { "found" };
    println!("{what} keys and request of gateway {} ({}): {}", request.uuid, request.name, path.display());
    Ok(())
}

fn run(args: RunArgs) -> anyhow::Result<()> {
    let settings = args.check().map_err(anyhow::Error::msg)?;
    let filter = log_filter().map_err(anyhow::Error::msg)?;
    init_logs(settings.log_format, filter).map_err(anyhow::Error::from_boxed).context("start logging")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let done = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    done
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    if settings.insecure {
        tracing::warn!(
            "--insecure: nodes are spoken to in plain text; never use this outside of a development machine"
        );
    }
    let metrics = install_recorder().map_err(anyhow::Error::from_boxed).context("start metrics")?;
    let stop = CancellationToken::new();
    let metrics_at = serve_metrics(settings.metrics_listen, metrics, stop.clone())
        .await
        .with_context(|| format!("METRICS_LISTEN is \"{}\": listen", settings.metrics_listen))?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("GATEWAY_LISTEN is \"{}\": listen", settings.listen))?;
    let listen = listener.local_addr().context("listen")?;
    if let Security::Tls(trust) = &settings.server.upstream.security {
        tokio::spawn(keep_renewed(trust.clone(), settings.files, stop.clone()));
    }
    let gateway = Gateway::start(codepop_proto::DESCRIPTORS, settings.server).await?;
    tracing::info!(http.listen = %listen, metrics.listen = %metrics_at, "serving");
    gateway.serve(listener, shutdown_signal()?).await;
    stop.cancel();
    Ok(())
}

/// Resolves at SIGTERM or SIGINT.
fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
