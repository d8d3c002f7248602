//! The admin server: `/healthz`, `/readyz`, `/metrics`, `/debug/plugins`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use joch_controller::{Leases, Registry};
use prometheus_client::registry::Registry as MetricRegistry;
use tokio::net::TcpListener;

use crate::board::{Board, Overview};

/// What the admin server shows.
pub(crate) struct Admin {
    pub(crate) registry: Arc<Registry>,
    pub(crate) board: Arc<Board>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) metrics: MetricRegistry,
    /// Every file of the plugin folder was looked at once.
    pub(crate) scanned: AtomicBool,
}

impl Admin {
    fn is_ready(&self) -> bool {
        self.leases.are_known()
            && self.scanned.load(Ordering::Acquire)
            && self.registry.is_settled()
    }
}

/// Binds the address, so that a port in use is an error at the start.
///
/// # Errors
/// The address cannot be bound; the message says how to choose another.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("admin address {address} cannot be used; choose another by --admin ADDR")
    })
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, admin: Arc<Admin>) {
    let routes = axum::Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/debug/plugins", get(plugins))
        .with_state(admin);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the admin server ended");
    }
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if admin.is_ready() {
        (StatusCode::OK, "ok\n")
    } else if !admin.leases.are_known() {
        let why = "the Leases of other replicas cannot be read; the log says why\n";
        (StatusCode::SERVICE_UNAVAILABLE, why)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "plugins are being loaded\n")
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.metrics) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn plugins(State(admin): State<Arc<Admin>>) -> Json<Overview> {
    Json(admin.board.overview(admin.registry.views()))
}
