//! `GET /flags.json` and `GET /flags/events`: the flag set, and word that it changed.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use serde::Serialize;
use tokio::sync::watch;

use super::published::Published;
use super::reply;
use super::site::Site;

/// Where word of changes is given.
pub(super) const EVENTS: &str = "/flags/events";
const LINK: HeaderValue = HeaderValue::from_static("</flags/events>; rel=\"monitor\"");
const SIGNATURE: HeaderName = HeaderName::from_static("bucketry-signature");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A client whose stream broke comes back after this, and up to as much again, drawn for each.
const RETRY: Duration = Duration::from_secs(1);

/// `GET /flags.json`.
pub(super) async fn flags(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response<Body> {
    let flags = site.flags();
    let mut response = if is_known(&headers, &flags.etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let body = Body::from(flags.bytes.clone());
        reply::with_type(StatusCode::OK, "application/json", body)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, flags.etag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::LINK, LINK);
    if let Some(signature) = &flags.signature {
        headers.insert(SIGNATURE, signature.clone());
    }
    response
}

/// Whether the client has what this tag names.
pub(super) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let asked = headers.typed_get::<IfNoneMatch>();
    let etag = etag
        .to_str()
        .ok()
        .and_then(|etag| etag.parse::<ETag>().ok());
    match (asked, etag) {
        (Some(asked), Some(etag)) => !asked.precondition_passes(&etag),
        _ => false,
    }
}

/// `GET /flags/events`.
pub(super) async fn events(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response<Body> {
    subscribe(site, &headers, |flags| {
        let etag = flags.etag.to_str().unwrap_or_default();
        let data = Change {
            revision: flags.set.revision(),
            etag,
        };
        let data = serde_json::to_string(&data).unwrap_or_default();
        Event::default().event("change").id(id(flags)).data(data)
    })
}

/// What an event says: enough to tell whether the client has it already.
#[derive(Serialize)]
struct Change<'a> {
    revision: u64,
    etag: &'a str,
}

/// The tag without its quotes: what a client that comes back sends as `Last-Event-ID`.
fn id(flags: &Published) -> &str {
    flags.etag.to_str().unwrap_or_default().trim_matches('"')
}

/// A stream that begins with the flag set of the moment, unless the client says that it knows it, and goes on with
/// each that follows.
pub(super) fn subscribe(
    site: Arc<Site>,
    headers: &HeaderMap,
    event: fn(&Published) -> Event,
) -> Response<Body> {
    let heartbeat = site.limits.heartbeat;
    let Some(place) = Place::take(&site) else {
        return reply::later(30, "as many clients listen as may; poll instead");
    };
    let known = headers.get(LAST_EVENT_ID).map(|id| id.as_bytes().to_vec());
    let listener = Listener {
        published: site.published.subscribe(),
        stopping: site.stopping.subscribe(),
        known,
        greeted: false,
        event,
        _place: place,
    };
    let alive = KeepAlive::new().interval(heartbeat).text("heartbeat");
    let mut response = Sse::new(listener.stream())
        .keep_alive(alive)
        .into_response();
    // Proxies that collect answers before they pass them on would collect for ever.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(unbuffered, HeaderValue::from_static("no"));
    response
}

struct Listener {
    published: watch::Receiver<Arc<Published>>,
    stopping: watch::Receiver<bool>,
    known: Option<Vec<u8>>,
    greeted: bool,
    event: fn(&Published) -> Event,
    _place: Place,
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut listener| async {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    /// The next event; none when the server stops.
    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            let flags = Arc::clone(&self.published.borrow_and_update());
            let is_known = self.known.as_deref() == Some(id(&flags).as_bytes());
            let greeting = match is_known {
                true => Event::default().comment("nothing changed"),
                false => (self.event)(&flags),
            };
            return Some(greeting.retry(spread(RETRY)));
        }
        tokio::select! {
            changed = self.published.changed() => {
                changed.ok()?;
                let flags = Arc::clone(&self.published.borrow_and_update());
                Some((self.event)(&flags))
            }
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        }
    }
}

/// So long, and up to as much again: clients that lost the same server do not come back at once.
fn spread(time: Duration) -> Duration {
    // The standard library draws a key for each of these.
    let chance = RandomState::new().hash_one(0) >> 32;
    time + time.mul_f64(chance as f64 / f64::from(u32::MAX))
}

/// One of the places for subscribers, free again when dropped.
struct Place(Arc<Site>);

impl Place {
    fn take(site: &Arc<Site>) -> Option<Self> {
        let limit = site.limits.subscribers as i64;
        match site.metrics.subscribe(limit) {
            true => Some(Self(Arc::clone(site))),
            false => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.unsubscribe();
    }
}
