//! Which finished Tasks are kept.

use joch_crds::kubetask::TaskPhase;

use super::objects::{CronTask, Run};

/// The finished Tasks beyond the limits, oldest first. A negative limit, which only older definitions
/// accept, is as good as none.
#[must_use]
pub fn surplus(cron: &CronTask, runs: &[Run]) -> Vec<Run> {
    let spec = &cron.spec;
    let keep = |limit: Option<i32>, default| {
        limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
    };
    let (good, bad) =
        (keep(spec.successful_tasks_history_limit, 3), keep(spec.failed_tasks_history_limit, 1));
    let mut surplus = beyond(good, runs, TaskPhase::Completed);
    surplus.extend(beyond(bad, runs, TaskPhase::Failed));
    surplus
}

fn beyond(limit: usize, runs: &[Run], phase: TaskPhase) -> Vec<Run> {
    let mut runs: Vec<&Run> = runs.iter().filter(|run| run.has_ended(phase)).collect();
    let age = |run: &&Run| (run.metadata.creation_timestamp.clone(), run.metadata.name.clone());
    runs.sort_by_cached_key(age);
    let number = runs.len().saturating_sub(limit);
    runs.into_iter().take(number).cloned().collect()
}
