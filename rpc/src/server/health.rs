//! `/livez`, `/readyz` and `/metrics`: for supervisors, load balancers and monitors.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use tokio::time::timeout;

use super::router::{json, text};
use super::window::Window;
use crate::api::HealthAnswer;
use crate::backend::Backend;

/// How long a node may take to say how it is.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Which question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether the process makes progress.
    Live,
    /// Whether it should be asked.
    Ready,
}

/// Answers 200 or 503; with `verbose` in the query, with everything that was looked at.
pub(super) async fn health<B: Backend>(window: &Window<B>, question: Question, query: Option<&str>) -> Response<Body> {
    let Ok(health) = timeout(ANSWER_TIME, window.backend.health()).await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "the node does not say how it is");
    };
    let is_well = match question {
        Question::Live => health.live,
        Question::Ready => health.live && health.ready,
    };
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if is_verbose(query) {
        return json(status, &health);
    }
    text(status, &if is_well { "ok".to_owned() } else { complaint(&health) })
}

/// Metrics as the backend writes them.
pub(super) async fn metrics<B: Backend>(window: &Window<B>) -> Response<Body> {
    match window.read(|backend| Ok(backend.metrics())).await {
        Ok(metrics) => {
            let mut response = text(StatusCode::OK, &metrics);
            let form = axum::http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(axum::http::header::CONTENT_TYPE, form);
            response
        }
        Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &error.message),
    }
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("verbose")))
}

fn complaint(health: &HealthAnswer) -> String {
    let failed = health.checks.iter().find(|(_, check)| !check.ok);
    failed.map_or_else(|| "not ready".to_owned(), |(name, check)| format!("{name}: {}", check.detail))
}
