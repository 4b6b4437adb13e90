//! `POST /exposures` and `GET /exposures/report`.

use std::error::Error;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bucketry_core::{BatchId, ProducerId, UnixMillis};
use headers::{ContentLength, HeaderMapExt};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use tokio::time::timeout;

use super::access::Denied;
use super::ledger::{Producer, Totals};
use super::record::{Heartbeat, check};
use super::reply;
use super::site::Site;
use super::store::{Counts, NotStored, Store, Stored};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What a body of records may be called. A browser asks before it sends one of these to another site.
const TYPES: [&str; 3] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
];
/// When a sender may try again, in seconds: the disk does not empty itself, a queue does.
const RETRY_DISK: u32 = 10;
const RETRY_BUSY: u32 = 1;
/// Most producers, and gaps of each, in the report.
const REPORT_PRODUCERS: usize = 1_000;
const REPORT_GAPS: usize = 100;

/// Why a batch is not accepted.
struct Refusal {
    /// What it is counted under.
    why: &'static str,
    status: StatusCode,
    message: String,
    /// When the same may do better, in seconds.
    later: Option<u32>,
}

impl Refusal {
    fn new(why: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            why,
            status,
            message: message.into(),
            later: None,
        }
    }

    fn later(why: &'static str, seconds: u32, message: impl Into<String>) -> Self {
        Self {
            later: Some(seconds),
            ..Self::new(why, StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    fn response(self) -> Response<Body> {
        let mut response = reply::error(self.status, self.message);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.later {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// `POST /exposures`.
pub(super) async fn exposures(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    match accept(&site, &headers, body).await {
        Ok(stored) => reply::json(StatusCode::OK, &stored),
        Err(refusal) => {
            site.metrics.refused(refusal.why);
            refusal.response()
        }
    }
}

async fn accept(site: &Site, headers: &HeaderMap, body: Body) -> Result<Stored, Refusal> {
    let Some(store) = &site.store else {
        let message = "this server collects no exposures; start it without --no-exposures";
        return Err(Refusal::new("off", StatusCode::NOT_FOUND, message));
    };
    site.access.check(headers).map_err(denied)?;
    let key = read_key(headers)?;
    let body = read(site, headers, body).await?;
    let invalid = |reason: String| Refusal::new("invalid", StatusCode::BAD_REQUEST, reason);
    let batch = check(&body, key).map_err(invalid)?;
    let stored = store.store(body, batch).await;
    stored.map_err(|reason| match reason {
        NotStored::Busy => Refusal::later("busy", RETRY_BUSY, "too much waits to be stored"),
        NotStored::Stopping => Refusal::later("stopping", RETRY_BUSY, "the server is stopping"),
        NotStored::Disk(reason) => {
            let message = format!("the batch could not be stored: {reason}");
            Refusal::later("disk", RETRY_DISK, message)
        }
    })
}

fn denied(reason: Denied) -> Refusal {
    let (why, status, message) = match reason {
        Denied::Unknown => (
            "no token",
            StatusCode::UNAUTHORIZED,
            "send the token as `Authorization: Bearer <token>`",
        ),
        Denied::Wrong => (
            "wrong token",
            StatusCode::FORBIDDEN,
            "the token is not one of this server's",
        ),
        Denied::Origin => (
            "origin",
            StatusCode::FORBIDDEN,
            "pages of this origin may not write; see --allow-origin",
        ),
    };
    Refusal::new(why, status, message)
}

/// The batch that the request says it holds.
fn read_key(headers: &HeaderMap) -> Result<Option<BatchId>, Refusal> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let id = key.to_str().ok().and_then(|key| key.parse().ok());
    id.map(Some).ok_or_else(|| {
        let message = "the header Idempotency-Key is not <producer id>-<first seq>-<last seq>";
        Refusal::new("invalid", StatusCode::BAD_REQUEST, message)
    })
}

/// The body, decompressed already, if it comes in time and is not too large.
async fn read(site: &Site, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !kind.is_some_and(|kind| TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known))) {
        let message = "records come with `Content-Type: application/x-ndjson`";
        return Err(Refusal::new(
            "type",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message,
        ));
    }
    let limit = site.limits.body_bytes;
    let too_large = || {
        let message = format!("the batch is larger than {limit} bytes; send it as two halves");
        Refusal::new("too large", StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // Not waited for when it is known beforehand.
    let announced = headers.typed_get::<ContentLength>();
    if announced.is_some_and(|length| length.0 > limit as u64) {
        return Err(too_large());
    }
    let read = timeout(site.limits.read_time, Limited::new(body, limit).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if is_over_limit(&*error) => Err(too_large()),
        Ok(Err(error)) => {
            let message = format!("the body could not be read: {}", root(&*error));
            Err(Refusal::new("unreadable", StatusCode::BAD_REQUEST, message))
        }
        Err(_) => {
            let message = "the body did not come in time";
            Err(Refusal::new("slow", StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

fn is_over_limit(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| error.is::<LengthLimitError>())
}

fn root(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// `GET /exposures/report`: what came of whom, and what did not.
pub(super) async fn report(State(site): State<Arc<Site>>) -> Response<Body> {
    match &site.store {
        Some(store) => reply::json(StatusCode::OK, &summary(store)),
        None => reply::error(StatusCode::NOT_FOUND, "this server collects no exposures"),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    folder: &'a str,
    problem: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    #[serde(flatten)]
    totals: Totals,
    by_producer: Vec<ProducerReport>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProducerReport {
    producer_id: String,
    records: u64,
    last_seq: Option<u64>,
    missing: u64,
    missing_ranges: Vec<(u64, u64)>,
    heard_at: Option<String>,
    heartbeat: Option<Heartbeat>,
}

impl ProducerReport {
    fn new(id: ProducerId, producer: &Producer) -> Self {
        let held = &producer.held;
        Self {
            producer_id: id.to_string(),
            records: held.total(),
            last_seq: held.last(),
            missing: held.missing().map(|(first, last)| last - first + 1).sum(),
            missing_ranges: held.missing().take(REPORT_GAPS).collect(),
            heard_at: producer.heard.map(UnixMillis::to_rfc3339),
            heartbeat: producer
                .heartbeat
                .as_ref()
                .map(|(_, counts)| counts.clone()),
        }
    }
}

fn summary(store: &Store) -> Report<'_> {
    Report {
        folder: store.folder(),
        problem: store.problem(),
        counts: store.counts(),
        totals: store.totals(),
        by_producer: store.with_ledger(|ledger| {
            let all = ledger.producers();
            // Those with gaps first: who reads this looks for them.
            let (gaps, whole): (Vec<_>, Vec<_>) = all
                .into_iter()
                .partition(|(_, each)| each.held.missing().next().is_some());
            let first = gaps.into_iter().chain(whole).take(REPORT_PRODUCERS);
            first
                .map(|(id, each)| ProducerReport::new(id, each))
                .collect()
        }),
    }
}
