//! What is served where.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::access::Access;
use super::site::Site;
use super::{collect, flags, ofrep, reply};
use crate::style::printable;

/// Compression makes what cannot be compressed a little larger.
const COMPRESSED_OVERHEAD: usize = 64 << 10;
/// Beyond the time that a body may take, for evaluating and storing.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// All routes. `verbose` writes a line on stderr for each request.
pub(super) fn router(site: &Arc<Site>, verbose: bool) -> Router {
    let limit = site.limits.body_bytes + COMPRESSED_OVERHEAD;
    let posts = Router::new()
        .route("/exposures", post(collect::exposures))
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyLimitLayer::new(limit));
    let router = Router::new()
        .route("/", get(page))
        .route("/flags.json", get(flags::flags))
        .route(flags::EVENTS, get(flags::events))
        .route("/exposures/report", get(collect::report))
        .route("/ofrep/v1/evaluate/flags", post(ofrep::all))
        .route("/ofrep/v1/evaluate/flags/{key}", post(ofrep::one))
        .route(ofrep::EVENTS, get(ofrep::events))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .merge(posts)
        .fallback(nothing_here)
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            site.limits.read_time + ANSWER_TIME,
        ));
    let router = match cors(&site.access) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(middleware::from_fn_with_state(
            Arc::clone(site),
            move |state, request, next| account(state, request, next, verbose),
        ))
        .with_state(Arc::clone(site))
}

/// What browsers are told of pages that may ask, where any may.
fn cors(access: &Access) -> Option<CorsLayer> {
    if access.origins.is_empty() && !access.any_origin {
        return None;
    }
    let name = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            name("bucketry-attempt"),
            name("idempotency-key"),
            name("x-api-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::RETRY_AFTER,
            name("bucketry-signature"),
        ])
        .max_age(Duration::from_secs(600));
    Some(match access.any_origin {
        true => layer.allow_origin(AllowOrigin::any()),
        false => layer.allow_origin(AllowOrigin::list(access.origins.iter().cloned())),
    })
}

/// Counts the request, and tells of it.
async fn account(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
    verbose: bool,
) -> Response<Body> {
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path = verbose.then(|| request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    let route = route.as_ref().map_or("other", |route| route.as_str());
    site.metrics.request(&method, route, status, took);
    if let Some(path) = path {
        let millis = took.as_secs_f64() * 1_000.0;
        eprintln!("{method} {} {status} {millis:.1} ms", printable(&path));
    }
    // What is served may be shown, not guessed at.
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn nothing_here() -> Response<Body> {
    reply::error(
        StatusCode::NOT_FOUND,
        "nothing is served here; GET / says what is where",
    )
}

async fn page() -> Response<Body> {
    let html = include_str!("page.html");
    reply::with_type(StatusCode::OK, "text/html; charset=utf-8", Body::from(html))
}

async fn metrics(State(site): State<Arc<Site>>) -> Response<Body> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    reply::with_type(
        StatusCode::OK,
        OPEN_METRICS,
        Body::from(site.metrics.text()),
    )
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'a str,
    #[serde(rename = "flagSet")]
    flag_set: FlagSetHealth<'a>,
    exposures: Option<StoreHealth<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FlagSetHealth<'a> {
    source: &'a str,
    revision: u64,
    etag: &'a str,
    flags: usize,
    loaded_at: String,
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct StoreHealth<'a> {
    folder: &'a str,
    records: u64,
    problem: Option<String>,
}

/// `GET /healthz`: 200 as long as flags are served, with what is not as it should be; 503 when the server stops.
async fn health(State(site): State<Arc<Site>>) -> Response<Body> {
    let flags = site.flags();
    let problem = site.problem();
    let exposures = site.store.as_ref().map(|store| StoreHealth {
        folder: store.folder(),
        records: store.counts().records,
        problem: store.problem(),
    });
    let is_well = problem.is_none() && exposures.as_ref().is_none_or(|each| each.problem.is_none());
    let (code, status) = match (*site.stopping.borrow(), is_well) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        (false, true) => (StatusCode::OK, "ok"),
        (false, false) => (StatusCode::OK, "degraded"),
    };
    let flag_set = FlagSetHealth {
        source: &site.source,
        revision: flags.set.revision(),
        etag: flags.etag.to_str().unwrap_or_default(),
        flags: flags.set.len(),
        loaded_at: flags.loaded_at.to_rfc3339(),
        problem: problem.as_deref(),
    };
    let health = Health {
        status,
        flag_set,
        exposures,
    };
    reply::json(code, &health)
}
