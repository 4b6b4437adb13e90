//! How answers are written.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::json;

/// An answer of JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    with_type(status, "application/json", Body::from(body))
}

/// Why not, for a person to read: `{"error": …}`.
pub(super) fn error(status: StatusCode, message: impl Into<String>) -> Response<Body> {
    json(status, &json!({ "error": message.into() }))
}

/// That the same request may do better after so many seconds.
pub(super) fn later(seconds: u32, message: impl Into<String>) -> Response<Body> {
    let refused = error(StatusCode::SERVICE_UNAVAILABLE, message);
    with_header(refused, header::RETRY_AFTER, HeaderValue::from(seconds))
}

pub(super) fn with_type(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    with_header(
        response,
        header::CONTENT_TYPE,
        HeaderValue::from_static(kind),
    )
}

pub(super) fn with_header(
    mut response: Response<Body>,
    name: HeaderName,
    value: HeaderValue,
) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}
