//! What recording a repeat asks of the heap: nothing, with everything that a client puts around the log.

#[expect(
    unreachable_pub,
    reason = "other tests have it as a module of a library"
)]
#[path = "../../../tests/src/heap.rs"]
mod heap;

use std::time::Duration;

use bucketry::{Batch, Client, EvaluationContext, callback};
use heap::{Counting, measure};

#[global_allocator]
static HEAP: Counting = Counting;

#[test]
fn an_exposure_that_repeats_allocates_nothing() {
    let client = Client::builder()
        .inline(
            r#"{ "format": 1, "flags": { "button": { "type": "boolean",
                "rules": [{ "experiment": { "key": "exp-42" }, "split": { "on": 1, "off": 1 } }] } } }"#,
        )
        .sink(callback(|_: &Batch| ()))
        .build()
        .unwrap();
    let contexts: Vec<_> = (0..100)
        .map(|unit| EvaluationContext::new(format!("user-{unit}")))
        .collect();
    for context in &contexts {
        let _ = client.bool_value("button", context, false);
    }
    let (_, heap) = measure(|| {
        for _ in 0..100 {
            for context in &contexts {
                std::hint::black_box(client.bool_value("button", context, false));
            }
        }
    });
    assert_eq!(heap.allocations, 0);
    let totals = client.close(Duration::from_secs(60)).totals;
    assert_eq!((totals.sent, totals.deduplicated), (100, 10_000));
}
