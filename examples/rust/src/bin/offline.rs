//! Without any network: `cargo run -p bucketry-examples --bin offline`. The flag set is part of the program, and exposures go to
//! files of this machine.

use std::error::Error;
use std::time::Duration;

use bucketry::{Client, EvaluationContext};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "exposures".into());
    let client = Client::builder()
        .inline(include_str!("../../../flags.json"))
        .exposures_to_dir(folder)
        .build()?;
    for visitor in ["visitor-7", "visitor-8", "visitor-9"] {
        let context = EvaluationContext::new(visitor).with("country", "DE");
        let ranking = client.string_details("search-ranking", &context, "bm25");
        println!("{visitor}: {} because of {}", ranking.value, ranking.reason);
    }
    println!("{}", client.close(Duration::from_secs(5)));
    Ok(())
}
