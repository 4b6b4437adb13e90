//! A source and a sink of one's own: `cargo run -p bucketry-examples --bin custom`. Here a publisher in the same process stands for
//! a message bus, and the sink for whatever takes events.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bucketry::source::{Changes, Fetched, Request, Source, SourceError, SourceFuture};
use bucketry::{Batch, Client, EvaluationContext, Event, callback};
use tokio::sync::watch;

/// The newest flag set that was published: its revision, and the document.
struct Bus(watch::Sender<(u64, String)>);

impl Source for Bus {
    fn name(&self) -> &str {
        "bus"
    }

    fn fetch<'a>(&'a self, request: &'a Request) -> SourceFuture<'a, Result<Fetched, SourceError>> {
        let (revision, document) = self.0.borrow().clone();
        let etag = revision.to_string();
        let is_held = request.etag.as_deref() == Some(&etag);
        Box::pin(std::future::ready(Ok(match is_held {
            true => Fetched::not_modified(),
            false => Fetched::document(document).with_etag(etag),
        })))
    }

    fn watch<'a>(&'a self, changes: Changes) -> SourceFuture<'a, ()> {
        let mut published = self.0.subscribe();
        Box::pin(async move {
            while published.changed().await.is_ok() {
                changes.notify();
            }
        })
    }
}

fn flags(revision: u64, green: u32) -> (u64, String) {
    let document = format!(
        r#"{{ "format": 1, "revision": {revision}, "flags": {{ "button": {{
            "type": "string", "variants": {{ "blue": "blue", "green": "green" }},
            "rules": [{{ "experiment": {{ "key": "exp-42", "phase": {revision} }}, "split": {{ "blue": 1, "green": {green} }} }}]
        }} }} }}"#
    );
    (revision, document)
}

fn main() -> Result<(), Box<dyn Error>> {
    let publisher = watch::Sender::new(flags(1, 1));
    let records = Arc::new(Mutex::new(Vec::<u8>::new()));
    let taken = Arc::clone(&records);
    let client = Client::builder()
        .source(Bus(publisher.clone()))
        .sink(callback(move |batch: &Batch| {
            let mut records = taken.lock().unwrap_or_else(PoisonError::into_inner);
            records.extend_from_slice(&batch.body);
        }))
        .build()?;
    client.ready(Duration::from_secs(5))?;
    let mut events = client.events();

    let context = EvaluationContext::new("user-1");
    println!(
        "revision 1: {}",
        client.string_value("button", &context, "blue")
    );
    publisher.send_replace(flags(2, 3));
    while let Some(event) = events.recv_timeout(Duration::from_secs(30)) {
        if let Event::ConfigurationChanged {
            flags, revision, ..
        } = event
        {
            println!("revision {revision} changes {}", flags.join(", "));
            break;
        }
    }
    println!(
        "revision 2: {}",
        client.string_value("button", &context, "blue")
    );
    println!("{}", client.close(Duration::from_secs(5)));
    let records = records.lock().unwrap_or_else(PoisonError::into_inner);
    let exposures = records
        .split(|byte| *byte == b'\n')
        .filter(|line| line.windows(16).any(|part| part == br#""rec":"exposure""#));
    println!("the sink took {} exposures", exposures.count());
    Ok(())
}
