//! The backend of the example shop, as a team would write it: a client that is made once and handed to whoever needs it,
//! and functions that take a client, so that tests can bring their own.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use bucketry::{Client, EvaluationContext};
use serde_json::{Value, json};

/// The shop's pages.
pub fn shop(client: Client) -> Router {
    Router::new()
        .route("/visitors/{visitor}", get(home))
        .with_state(client)
}

async fn home(State(client): State<Client>, Path(visitor): Path<String>) -> impl IntoResponse {
    let page = page(&client, &visitor);
    (
        [(header::CONTENT_TYPE, "application/json")],
        page.to_string(),
    )
}

/// What the shop shows a visitor. Evaluating is so cheap that nothing is kept between requests.
#[must_use]
pub fn page(client: &Client, visitor: &str) -> Value {
    // One flag set for the whole request, although a new one may arrive in the middle of it.
    let flags = client.snapshot();
    let context = EvaluationContext::new(visitor)
        .with("country", "DE")
        .with("appVersion", "2.4.1");
    // The button is not on the old page: who does not see it is not exposed to its experiment.
    let button = flags
        .bool_value("new-checkout", &context, false)
        .then(|| flags.string_value("buy-button", &context, "blue"));
    json!({
        "button": button,
        "ranking": flags.string_value("search-ranking", &context, "bm25"),
        "freeShippingFrom": flags.integer_value("free-shipping-from", &context, 75),
    })
}
