//! Waiting for a state instead of for a time: the only place of this crate that sleeps.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// How long a test waits for something that should happen at once; long, since it is only ever used up
/// by a test that fails. (The longest that is waited for is a host that compiles an interpreter: ten
/// seconds of two cores that others may want too.)
pub const LONG: Duration = Duration::from_secs(180);

/// Repeats `probe` until it succeeds.
///
/// # Errors
/// When `timeout` is over: what was waited for, for how long, and what the last probe said.
pub async fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        let error = match probe().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if start.elapsed() > timeout {
            return Err(anyhow!("waited {timeout:?} in vain until {what}; last: {error:#}"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[tokio::test]
    async fn a_probe_is_repeated_until_it_succeeds() {
        let mut tries = 0;
        let probe = async || {
            tries += 1;
            ensure!(tries == 3, "try {tries}");
            Ok(tries)
        };
        assert_eq!(eventually("the third try", LONG, probe).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn the_error_names_what_was_waited_for_and_the_last_answer() {
        let probe = async || Err::<(), _>(anyhow!("still red"));
        let error = eventually("it is green", Duration::ZERO, probe).await.unwrap_err().to_string();
        assert!(error.contains("it is green") && error.contains("still red"), "{error}");
    }
}
