//! What the engine itself costs, without any cluster: an instance and a call, an object that crosses the
//! boundary, a load. Prints the single times, in microseconds, as one JSON document; `joch-bench run engine`
//! makes percentiles of them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use joch_artifact::{CacheBounds, CompileCache, Package};
use joch_core::manifest::Manifest;
use joch_core::object::{Gvk, ObjectKey, ObjectRef};
use joch_core::outcome::Outcome;
use joch_core::port::{Call, Invoke as _, Json, Purpose};
use joch_engine::{Component, Engine, EngineConfig, Plugin, PluginSpec};
use serde_json::{Value, json};

// The tests' guests, of which one is used; they are fixtures, and may panic.
#[path = "../../../../host/engine/tests/engine/guest.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "fixtures of the engine's tests")]
mod guest;
mod session;

use session::Nothing;

/// Measures the engine alone; prints single times in microseconds as JSON
#[derive(Debug, Parser)]
#[command(name = "joch-bench-engine")]
struct Args {
    /// A small plugin, hello-controller.wasm, which is loaded and called
    hello: PathBuf,
    /// The fixture puppet.wasm, which does nothing for an object without a script
    puppet: PathBuf,
    /// The repository's folder of WIT
    wit: PathBuf,
    /// For how long each thing is measured
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

/// Sizes of objects, in kilobytes.
const SIZES: [usize; 4] = [1, 10, 100, 1000];
/// No measure is taken more often.
const MOST: usize = 20_000;
/// How often a component is compiled.
const COMPILED: usize = 5;

type Times = BTreeMap<String, Vec<u64>>;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let times = measure(&args).await?;
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&times)?)?)
}

async fn measure(args: &Args) -> Result<Times> {
    let engine = Engine::new(&EngineConfig::default())?;
    let within = Duration::from_secs_f64(args.seconds);
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("{path:?}"));
    let mut times = Times::new();

    let bytes = guest::DONE.component(&args.wit);
    let manifest = Package::read(read(&args.hello)?)?.manifest;
    let plugin = plugin(&engine, &engine.load(&bytes)?, &manifest, &bytes)?;
    let call = || call("sample", Json::from("{}"));
    times.insert("call-empty".to_owned(), calls(&plugin, call, within).await?);

    let hello = read(&args.hello)?;
    loads(&engine, &hello, within, &mut times).await?;
    let greeter = self::plugin(&engine, &engine.load(&hello)?, &manifest, &hello)?;
    let object = json!({"metadata": {"name": "ada", "generation": 1},
        "spec": {"name": "Ada", "language": "de"}});
    let object = Json::from(object.to_string());
    let call = || self::call("greeting", object.clone());
    times.insert("call-hello".to_owned(), calls(&greeter, call, within).await?);

    let puppet = read(&args.puppet)?;
    let manifest = Package::read(puppet.clone())?.manifest;
    let player = self::plugin(&engine, &engine.load(&puppet)?, &manifest, &puppet)?;
    for kilobytes in SIZES {
        let object = Json::from(sized(kilobytes * 1000).to_string());
        let call = || self::call("puppet", object.clone());
        let key = format!("object-{kilobytes}kb");
        times.insert(key, calls(&player, call, within).await?);
    }
    Ok(times)
}

fn plugin(
    engine: &Engine,
    component: &Component,
    manifest: &Manifest,
    bytes: &[u8],
) -> Result<Plugin> {
    let digest = joch_core::name::Digest::of(bytes);
    let spec = PluginSpec::of(manifest, digest, "{}".to_owned());
    Ok(Plugin::new(engine, component, spec)?)
}

/// A call for an object, in a session of its own.
fn call(controller: &str, object: Json) -> Call {
    let kind = Gvk::new("bench.joch.dev", "v1", "Sample");
    let key = ObjectKey { kind, namespace: Some("default".to_owned()), name: "ada".to_owned() };
    Call {
        purpose: Purpose::Reconcile,
        controller: controller.to_owned(),
        target: ObjectRef { key, uid: Some("uid-1".to_owned()) },
        object,
        now_unix_ms: 1_700_000_000_000,
        attempt: 0,
        session: Arc::new(Nothing),
    }
}

/// An object without a script, of about so many bytes in fields that nobody reads.
fn sized(bytes: usize) -> Value {
    let field = |number: usize| (format!("field-{number:06}"), Value::from("x".repeat(80)));
    let fields: serde_json::Map<_, _> = (0..bytes / 100).map(field).collect();
    json!({"metadata": {"name": "ada", "generation": 1}, "spec": {}, "data": fields})
}

/// Instantiates, calls and drops, again and again.
async fn calls(plugin: &Plugin, call: impl Fn() -> Call, within: Duration) -> Result<Vec<u64>> {
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < within && times.len() < MOST {
        let call = call();
        let start = Instant::now();
        let report = plugin.call(call).await;
        times.push(micros(start));
        ensure!(matches!(report.result, Ok(Outcome::Done)), "{:?}", report.result);
    }
    Ok(times)
}

/// The way from a file's bytes to a plugin that was tried: compiled, and from the compile cache.
async fn loads(engine: &Engine, bytes: &[u8], within: Duration, times: &mut Times) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cache = CompileCache::open(&folder.path().join("cache"), CacheBounds::default())?;
    let key = engine.compatibility_key();
    let mut cold = Vec::new();
    for _ in 0..COMPILED {
        let start = Instant::now();
        let Package { digest, manifest, bytes } = Package::read(bytes.to_vec())?;
        let code = engine.compile(&bytes)?;
        let component = engine.load_precompiled(&cache.put(&digest, &key, &code)?)?;
        plugin(engine, &component, &manifest, &bytes)?.trial().await?;
        cold.push(micros(start));
    }
    times.insert("load-compiled".to_owned(), cold);
    let mut cached = Vec::new();
    let began = Instant::now();
    while began.elapsed() < within {
        let start = Instant::now();
        let Package { digest, manifest, bytes } = Package::read(bytes.to_vec())?;
        let path = cache.get(&digest, &key).context("it was compiled a moment ago")?;
        let component = engine.load_precompiled(&path)?;
        plugin(engine, &component, &manifest, &bytes)?.trial().await?;
        cached.push(micros(start));
    }
    times.insert("load-cached".to_owned(), cached);
    Ok(())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
