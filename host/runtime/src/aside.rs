//! A thread with a runtime of its own, for what has to go on whatever the guests do: Leases and health.

use std::sync::mpsc;

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle};

/// Starts the thread; it ends with the process.
///
/// # Errors
/// The thread or its runtime cannot be started.
pub(crate) fn start() -> anyhow::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the async runtime for Leases and health cannot start")?;
    let handle = runtime.handle().clone();
    let (started, starts) = mpsc::channel();
    let run = move || {
        let forever = async {
            started.send(()).ok();
            std::future::pending::<()>().await;
        };
        runtime.block_on(forever);
    };
    let thread = std::thread::Builder::new().name("joch-aside".to_owned()).spawn(run);
    thread.context("the thread for Leases and health cannot start")?;
    starts.recv().context("the thread for Leases and health ended")?;
    Ok(handle)
}
