//! Server-sent events: hearing at once that a flag set has changed.
//!
//! The stream only hastens what polling does anyway, so losing it loses a few seconds and nothing else. One that was lost is
//! opened again after a wait that doubles and is half drawn; one that says nothing for long, not even a comment, counts as
//! lost, because a connection that died in a router looks exactly like that.

use std::time::Duration;

use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Changes;
use super::http::{describe, without_secrets};
use crate::random::Generator;

/// The wait after the first loss, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A stream that has lasted so long was a good one: the next loss waits from the beginning.
const GOOD: Duration = Duration::from_secs(60);

/// A server sends at least a comment so often (`bucketry serve` does every 15 seconds); after this silence it is gone.
const SILENCE: Duration = Duration::from_secs(90);

/// An event is a few dozen bytes. More than this without one is no event stream.
const MAX_EVENT: usize = 64 << 10;

/// Listens for ever to the stream of whatever address is known.
pub(crate) async fn listen(
    client: &reqwest::Client,
    headers: &HeaderMap,
    mut address: watch::Receiver<Option<Url>>,
    changes: &Changes,
) {
    let mut random = Generator::new();
    let mut wait = FIRST_WAIT;
    loop {
        let Ok(url) = address
            .wait_for(Option::is_some)
            .await
            .map(|url| url.clone())
        else {
            return;
        };
        let Some(url) = url else { continue };
        let began = Instant::now();
        let lost = tokio::select! {
            lost = once(client, headers, url.clone(), changes) => lost,
            // The source names another stream now.
            _ = address.changed() => continue,
        };
        if began.elapsed() >= GOOD {
            wait = FIRST_WAIT;
        }
        let pause = upper_half(wait, random.next());
        tracing::info!(
            stream = without_secrets(&url),
            reason = lost,
            "event stream lost; polling goes on, opening it again in {pause:.1?}"
        );
        tokio::time::sleep(pause).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// A time of the upper half of `full`, in proportion to `chance`.
fn upper_half(full: Duration, chance: u64) -> Duration {
    full / 2 + (full / 2).mul_f64(chance as f64 / u64::MAX as f64)
}

/// Opens the stream and tells of changes until it is lost; why it was.
async fn once(
    client: &reqwest::Client,
    headers: &HeaderMap,
    url: Url,
    changes: &Changes,
) -> String {
    let request = client
        .get(url)
        .headers(headers.clone())
        .header(ACCEPT, "text/event-stream")
        .send();
    let response = match timeout(SILENCE, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return describe(&error),
        Err(_) => return "no answer".to_owned(),
    };
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if response.status() != 200 || !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return format!(
            "status {} with content of type {}",
            response.status().as_u16(),
            kind.unwrap_or("unknown")
        );
    }
    // What changed while nobody listened was not heard.
    changes.notify();
    let mut block = Block::default();
    let bytes = response
        .bytes_stream()
        .map(move |chunk| {
            let chunk = chunk.map_err(|error| describe(&error))?;
            if block.after(&chunk) > MAX_EVENT {
                return Err(format!("an event of more than {MAX_EVENT} bytes"));
            }
            Ok(chunk)
        })
        .eventsource();
    let mut events = std::pin::pin!(bytes);
    loop {
        match timeout(SILENCE, events.next()).await {
            Err(_) => return format!("silent for {SILENCE:?}"),
            Ok(None) => return "ended by the server".to_owned(),
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(Some(Ok(event))) => {
                if event.event == "change" {
                    changes.notify();
                }
            }
        }
    }
}

/// How much of an event has come: the parser keeps that in memory.
#[derive(Default)]
struct Block {
    bytes: usize,
    /// Whether the line has nothing in it yet.
    line_is_empty: bool,
}

impl Block {
    /// Bytes since the last empty line, which ends an event or a comment.
    fn after(&mut self, chunk: &[u8]) -> usize {
        for byte in chunk {
            match byte {
                b'\n' if self.line_is_empty => self.bytes = 0,
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
            self.bytes += 1;
        }
        self.bytes
    }
}

/// The targets of a `Link` header that stand for what monitors the resource.
pub(crate) fn monitor_link(text: &str) -> Option<&str> {
    text.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let monitors = parameters.split(';').any(|parameter| {
            parameter
                .trim()
                .split_once('=')
                .is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel")
                        && value
                            .trim()
                            .trim_matches('"')
                            .split_ascii_whitespace()
                            .any(|relation| relation.eq_ignore_ascii_case("monitor"))
                })
        });
        monitors.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_found_among_links() {
        for (text, want) in [
            ("</flags/events>; rel=\"monitor\"", Some("/flags/events")),
            ("</a>; rel=next, </b>; rel=monitor", Some("/b")),
            (
                "<https://h/x>; title=\"t\"; REL=\"other Monitor\"",
                Some("https://h/x"),
            ),
            ("</a>; rel=monitored", None),
            ("/a; rel=monitor", None),
            ("", None),
        ] {
            assert_eq!(monitor_link(text), want, "{text}");
        }
    }

    #[test]
    fn comments_do_not_add_up_to_an_event() {
        let mut block = Block::default();
        for _ in 0..10 {
            assert!(block.after(b": still here\r\n\r\n") <= 16);
            assert!(block.after(b":\n") <= 16);
            assert!(block.after(b"\n") <= 16);
        }
        for _ in 0..10 {
            block.after(b"data: more\n");
        }
        assert!(block.bytes >= 110, "{}", block.bytes);
    }

    #[test]
    fn waits_are_drawn_from_the_upper_half() {
        let second = Duration::from_secs(1);
        assert_eq!(upper_half(second, 0), second / 2);
        assert_eq!(upper_half(second, u64::MAX), second);
    }
}
