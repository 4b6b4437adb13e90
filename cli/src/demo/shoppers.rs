//! Visitors of the example shop, and what each is shown.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use bucketry::{AttributeValue, Client, EvaluationContext};

/// Flags that a page view asks for.
const FLAGS: u64 = 6;

/// What came of a crowd.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    pub(super) evaluations: u64,
    pub(super) took: Duration,
    /// For each visitor in order, whether the new checkout was shown, and which button.
    pub(super) shown: Vec<Shown>,
}

/// What one visitor saw.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Shown {
    pub(super) new_checkout: bool,
    pub(super) button: String,
}

/// The visitor of a number: always the same person.
fn visitor(number: u64) -> EvaluationContext<'static> {
    const COUNTRIES: [&str; 8] = ["DE", "FR", "IT", "US", "JP", "ES", "BR", "GB"];
    // Spread, so that neighbours are not alike.
    let draw = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let country = COUNTRIES.get((draw % 8) as usize).copied().unwrap_or("DE");
    let mut context = EvaluationContext::new(format!("visitor-{number}"))
        .with("country", country)
        .with(
            "appVersion",
            if draw.is_multiple_of(5) {
                "2.0.9"
            } else {
                "2.4.1"
            },
        )
        .with("customerSince", "2025-05-14T09:30:00Z");
    if !draw.is_multiple_of(3) {
        context.set("customerId", format!("c-{number}"));
    }
    let pays = if draw.is_multiple_of(2) {
        "apple-pay"
    } else {
        "card"
    };
    context.set(
        "paymentMethods",
        AttributeValue::from(vec![pays.to_owned()]),
    );
    context
}

/// Every visitor loads a page. Each thread pins one snapshot a page, as a request handler would.
pub(super) fn shop(client: &Client, visitors: Range<u64>) -> Crowd {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let share = (visitors.end - visitors.start).div_ceil(threads);
    let start = Instant::now();
    let shown = thread::scope(|scope| {
        let parts = (0..threads).map(|part| {
            let from = visitors.start + part * share;
            let part = from..(from + share).min(visitors.end);
            scope.spawn(move || part.map(|number| page(client, number)).collect::<Vec<_>>())
        });
        let parts: Vec<_> = parts.collect();
        let joined = parts.into_iter().filter_map(|part| part.join().ok());
        joined.flatten().collect::<Vec<_>>()
    });
    Crowd {
        evaluations: shown.len() as u64 * FLAGS,
        took: start.elapsed(),
        shown,
    }
}

fn page(client: &Client, number: u64) -> Shown {
    let context = visitor(number);
    let flags = client.snapshot();
    let shown = Shown {
        new_checkout: flags.bool_value("new-checkout", &context, false),
        button: flags.string_value("buy-button", &context, "blue"),
    };
    let _ = flags.bool_value("express-pay", &context, false);
    let _ = flags.str_value("search-ranking", &context, "bm25");
    let _ = flags.integer_value("free-shipping-from", &context, 75);
    let _ = flags.float_value("discount", &context, 0.0);
    shown
}

/// What the same visitors would be shown now, without showing it: nothing is recorded.
pub(super) fn look(client: &Client, visitors: Range<u64>) -> Vec<Shown> {
    let looks = visitors.map(|number| {
        let context = visitor(number);
        let flags = client.snapshot();
        Shown {
            new_checkout: flags.peek().bool_value("new-checkout", &context, false),
            button: flags.peek().string_value("buy-button", &context, "blue"),
        }
    });
    looks.collect()
}
