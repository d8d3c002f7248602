//! What a call costs. Run by hand: `cargo test --release -p joch-engine figures -- --ignored --nocapture`,
//! with `JOCH_COMPONENT=<file>` for a component of one's own.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use joch_core::name::Digest;
use joch_core::port::Invoke as _;
use joch_engine::{Engine, EngineConfig, Plugin, PluginSpec};

use crate::guest::DONE;
use crate::session::{Fake, call_in, component, limits};

#[tokio::test]
#[ignore = "prints figures, asserts nothing"]
async fn figures() {
    let start = Instant::now();
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    println!("engine: {:?}, pooled: {}", start.elapsed(), engine.pooled());
    let bytes = match std::env::var("JOCH_COMPONENT") {
        Ok(path) => std::fs::read(Path::new(&path)).unwrap(),
        Err(_) => component(DONE),
    };
    let start = Instant::now();
    let code = engine.compile(&bytes).unwrap();
    println!("compile: {:?}, {} -> {} bytes", start.elapsed(), bytes.len(), code.len());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("code");
    std::fs::write(&path, &code).unwrap();
    let start = Instant::now();
    let loaded = engine.load_precompiled(&path).unwrap();
    let name = "sample".parse().unwrap();
    let (digest, config) = (Digest::of(&bytes), "{}".to_owned());
    let spec = PluginSpec { name, digest, limits: limits(), http: false, config };
    let plugin = Plugin::new(&engine, &loaded, spec).unwrap();
    plugin.trial().await.unwrap();
    println!("map, link, try: {:?}", start.elapsed());

    let session = Arc::new(Fake::default());
    println!("first answer: {:?}", plugin.call(call_in(Arc::clone(&session))).await);
    let mut times = Vec::new();
    for _ in 0..20_000 {
        let call = call_in(Arc::clone(&session));
        let start = Instant::now();
        drop(plugin.call(call).await);
        times.push(start.elapsed());
    }
    times.sort();
    println!("instantiate, call, drop: p50 {:?}, p99 {:?}", times[10_000], times[19_800]);
}
