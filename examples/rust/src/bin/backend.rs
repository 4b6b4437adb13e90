//! A backend service: `cargo run -p bucketry-examples --bin backend`, then `curl http://127.0.0.1:3000/visitors/visitor-7`.

use std::error::Error;
use std::time::Duration;

use bucketry::Client;
use bucketry_examples::shop;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".into());
    let exposures = arguments.next().unwrap_or_else(|| "exposures".into());
    let client = Client::builder()
        .file("examples/flags.json") // in production: .url("https://…").cache_dir("…")
        .exposures_to_dir(exposures)
        .build()?;
    // The shop opens even without a flag set: every flag then gives its default.
    if let Err(error) = client.ready_async(Duration::from_secs(2)).await {
        eprintln!("{error}");
    }
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, shop(client.clone()))
        .with_graceful_shutdown(asked_to_stop())
        .await?;
    // What visitors saw is delivered before the process ends.
    println!("{}", client.close_async(Duration::from_secs(5)).await);
    Ok(())
}

async fn asked_to_stop() {
    // Without a way to be asked, it serves until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
