//! Tells that something goes on which takes long.

use std::time::{Duration, Instant};

/// Waits for `work`; while it goes on, `tell` is called at each interval with the time that has passed.
pub(crate) async fn told<T>(
    interval: Duration,
    work: impl Future<Output = T>,
    tell: impl Fn(Duration),
) -> T {
    let began = Instant::now();
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(interval, &mut work).await {
            Ok(done) => return done,
            Err(_) => tell(began.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_takes_long_is_told_at_each_interval_and_then_its_answer_comes() {
        let (count, third) = (Cell::new(0), Notify::new());
        let tell = |_| {
            count.set(count.get() + 1);
            if count.get() == 3 {
                third.notify_one();
            }
        };
        let work = async {
            third.notified().await;
            "done"
        };
        assert_eq!(told(Duration::from_millis(5), work, tell).await, "done");
        assert_eq!(count.get(), 3);
        told(Duration::from_secs(600), std::future::ready(()), tell).await;
        assert_eq!(count.get(), 3);
    }
}
