//! The Prometheus page: the same figures as `server_stats`, and refusals by code.

use std::sync::OnceLock;

use afield_proto::ErrorCode;
use afield_proto::fact::ServerStats;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder, once per process.
pub(crate) fn install() {
    HANDLE.get_or_init(|| {
        let handle = PrometheusBuilder::new().install_recorder();
        handle.inspect_err(|error| tracing::warn!(%error, "no metrics")).ok()
    });
}

/// The page, in Prometheus text format. `operations`: how often the store was asked.
pub(crate) fn render(operations: u64) -> String {
    metrics::counter!("afield_store_operations_total").absolute(operations);
    HANDLE.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// Counts an HTTP request that was refused.
pub(crate) fn refused(code: ErrorCode) {
    metrics::counter!("afield_refusals_total", "code" => code.name()).increment(1);
}

/// Takes over the server's figures.
pub(crate) fn record(stats: &ServerStats) {
    let gauge = |name: &'static str, value: u64| metrics::gauge!(name).set(value as f64);
    gauge("afield_uptime_seconds", stats.uptime_seconds);
    gauge("afield_connections", stats.connections);
    gauge("afield_runners", stats.runners);
    gauge("afield_projects", stats.projects);
    gauge("afield_projects_executing", stats.executing);
    gauge("afield_memory_bytes", stats.memory_bytes);
    metrics::counter!("afield_messages_received_total").absolute(stats.messages_received);
    metrics::counter!("afield_messages_sent_total").absolute(stats.messages_sent);
    metrics::counter!("afield_events_written_total").absolute(stats.events_written);
}
