//! OFREP, OpenFeature's remote evaluation protocol, version 0.3: `POST /ofrep/v1/evaluate/flags[/{key}]`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::sse::Event;
use bucketry_core::{ErrorCode, EvaluationContext, Resolution};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::flags::{is_known, subscribe};
use super::published::{Published, etag};
use super::reply;
use super::site::Site;
use crate::answer::{JsonValue, MetadataMap};
use crate::clock;

/// Where word of changes is given to OFREP's clients.
pub(super) const EVENTS: &str = "/ofrep/v1/events";
/// A request is a context and a few bytes around it.
const MAX_BODY_BYTES: usize = bucketry_core::limits::MAX_CONTEXT_BYTES + 1_024;

/// The body of both requests.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

/// A flag's answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Success {
        key: &'a str,
        /// Absent where the caller's default is to be used.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<JsonValue<'a>>,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        variant: Option<&'a str>,
        #[serde(skip_serializing_if = "MetadataMap::is_empty")]
        metadata: MetadataMap<'a>,
    },
    Failure {
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        #[serde(rename = "errorCode")]
        error_code: &'static str,
        #[serde(rename = "errorDetails")]
        error_details: &'a str,
    },
}

/// The answer to a bulk request.
#[derive(Serialize)]
struct Bulk<'a> {
    flags: Vec<Answer<'a>>,
    #[serde(skip_serializing_if = "MetadataMap::is_empty")]
    metadata: MetadataMap<'a>,
    #[serde(rename = "eventStreams")]
    event_streams: [EventStream; 1],
}

#[derive(Serialize)]
struct EventStream {
    r#type: &'static str,
    endpoint: Endpoint,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    request_uri: &'static str,
}

/// `POST /ofrep/v1/evaluate/flags/{key}`.
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    Path(key): Path<String>,
    body: Body,
) -> Response<Body> {
    let context = match context(&site, body).await {
        Ok(context) => context,
        Err(refusal) => return refusal.response(Some(&key)),
    };
    let flags = site.flags();
    let resolution = flags.set.resolve(&key, &context, clock::now());
    site.metrics.evaluated(resolution.reason().as_str());
    let status = match resolution.error_code() {
        None => StatusCode::OK,
        Some(ErrorCode::FlagNotFound) => StatusCode::NOT_FOUND,
        Some(_) => StatusCode::BAD_REQUEST,
    };
    reply::json(status, &answer(&key, &resolution))
}

/// `POST /ofrep/v1/evaluate/flags`.
pub(super) async fn all(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let context = match context(&site, body).await {
        Ok(context) => context,
        Err(refusal) => return refusal.response(None),
    };
    let flags = site.flags();
    let now = clock::now();
    let resolved: Vec<_> = flags
        .set
        .flag_keys()
        .map(|key| (key, flags.set.resolve(key, &context, now)))
        .collect();
    for (_, resolution) in &resolved {
        site.metrics.evaluated(resolution.reason().as_str());
    }
    let bulk = Bulk {
        flags: resolved
            .iter()
            .map(|(key, resolution)| answer(key, resolution))
            .collect(),
        metadata: MetadataMap(flags.set.metadata()),
        event_streams: [EventStream {
            r#type: "sse",
            endpoint: Endpoint {
                request_uri: EVENTS,
            },
        }],
    };
    let body = serde_json::to_vec(&bulk).unwrap_or_default();
    // The tag is of the answers, so it changes when they do: with the flag set, the context or the time.
    let tag = etag(&body);
    let response = if is_known(&headers, &tag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        reply::with_type(StatusCode::OK, "application/json", Body::from(body))
    };
    reply::with_header(response, header::ETAG, tag)
}

/// `GET /ofrep/v1/events`.
pub(super) async fn events(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response<Body> {
    subscribe(site, &headers, |flags: &Published| {
        let etag = flags.etag.to_str().unwrap_or_default();
        let data = json!({
            "type": "refetchEvaluation", "etag": etag, "lastModified": flags.loaded_at.to_rfc3339(),
        });
        let id = etag.trim_matches('"');
        Event::default()
            .event("message")
            .id(id)
            .data(data.to_string())
    })
}

fn answer<'a>(key: &'a str, resolution: &'a Resolution<'a>) -> Answer<'a> {
    match resolution.error_code() {
        Some(code) => Answer::Failure {
            key: Some(key),
            error_code: code.as_str(),
            error_details: resolution.error_message().unwrap_or_default(),
        },
        None => Answer::Success {
            key,
            value: resolution.value().map(JsonValue),
            reason: resolution.reason().as_str(),
            variant: resolution.variant(),
            metadata: MetadataMap(resolution.metadata()),
        },
    }
}

/// Why a request has no context to answer for.
struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    details: String,
}

impl Refusal {
    fn new(code: ErrorCode, details: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            details: details.into(),
        }
    }

    fn response(&self, key: Option<&str>) -> Response<Body> {
        let failure = Answer::Failure {
            key,
            error_code: self.code.as_str(),
            error_details: &self.details,
        };
        reply::json(self.status, &failure)
    }
}

async fn context(site: &Site, body: Body) -> Result<EvaluationContext<'static>, Refusal> {
    let read = Limited::new(body, MAX_BODY_BYTES).collect();
    let body: Bytes = match timeout(site.limits.read_time, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Refusal {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Refusal::new(
                    ErrorCode::InvalidContext,
                    "the context is larger than 1 MiB",
                )
            });
        }
        Ok(Err(error)) => {
            let details = format!("the body could not be read: {error}");
            return Err(Refusal::new(ErrorCode::ParseError, details));
        }
        Err(_) => {
            return Err(Refusal {
                status: StatusCode::REQUEST_TIMEOUT,
                ..Refusal::new(ErrorCode::General, "the body did not come in time")
            });
        }
    };
    let request: Request<'_> = serde_json::from_slice(&body).map_err(|error| {
        Refusal::new(
            ErrorCode::ParseError,
            format!("the body is not `{{\"context\": {{…}}}}`: {error}"),
        )
    })?;
    // A client that knows nothing of its user may say so by leaving the context out.
    let Some(context) = request.context else {
        return Ok(EvaluationContext::default());
    };
    EvaluationContext::from_json(context.get().as_bytes())
        .map_err(|error| Refusal::new(ErrorCode::InvalidContext, error.to_string()))
}
