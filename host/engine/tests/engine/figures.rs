//! What a call costs. Run by hand: `cargo test --release -p joch-engine figures -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use joch_core::port::Invoke as _;

use crate::guest::DONE;
use crate::session::{Fake, call_in, component, engine, limits, plugin};

#[tokio::test]
#[ignore = "prints figures, asserts nothing"]
async fn figures() {
    let engine = engine();
    let bytes = component(DONE);
    let start = Instant::now();
    let code = engine.compile(&bytes).unwrap();
    println!("compile: {:?}, {} -> {} bytes", start.elapsed(), bytes.len(), code.len());

    let plugin = plugin(&engine, DONE, limits());
    let session = Arc::new(Fake::default());
    let mut times = Vec::new();
    for _ in 0..20_000 {
        let call = call_in(Arc::clone(&session));
        let start = Instant::now();
        plugin.reconcile(call).await.result.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("pooled: {}", engine.pooled());
    println!("instantiate, call, drop: p50 {:?}, p99 {:?}", times[10_000], times[19_800]);
}
