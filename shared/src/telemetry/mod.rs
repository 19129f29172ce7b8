//! Logs and metrics, set up alike in node and gateway.

mod logs;
mod metrics;

pub use logs::{LogFormat, init_logs, log_filter};
pub use metrics::{METRICS_LISTEN, MetricsHandle, install_recorder, serve_metrics};
