//! What a call costs. Run by hand: `cargo test --release -p joch-engine figures -- --ignored --nocapture`,
//! with `JOCH_COMPONENT=<file>` for a component of one's own; it is called for an object that the examples
//! understand, and may use more memory than a test's guest.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use joch_core::manifest::Limits;
use joch_core::name::Digest;
use joch_core::port::{Call, Invoke as _, Json};
use joch_core::quantity::Bytes;
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
    let limits = Limits { memory: Bytes(64 << 20), ..limits() };
    let spec = PluginSpec { name, digest, limits, http: false, finalizer: false, config };
    let plugin = Plugin::new(&engine, &loaded, spec).unwrap();
    plugin.trial().await.unwrap();
    println!("map, link, try: {:?}", start.elapsed());

    let session = Arc::new(Fake::default());
    let object = Json::from(r#"{"metadata":{},"spec":{"name":"Ada","language":"de"}}"#);
    let call = || Call {
        controller: "greeting".to_owned(),
        object: object.clone(),
        ..call_in(Arc::clone(&session))
    };
    println!("first answer: {:?}", plugin.call(call()).await);
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let call = call();
        let start = Instant::now();
        drop(plugin.call(call).await);
        times.push(start.elapsed());
    }
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("instantiate, call, drop: p50 {:?}, p99 {:?} of {}", at(50), at(99), times.len());
}
