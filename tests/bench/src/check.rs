//! Compares the ratios of a run with committed ones. Ratios, because they say the same on another machine;
//! only a ratio that has become worse than the tolerance allows is a complaint.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::report::{Better, Report};

/// What is committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// For people: what this is and how it is made.
    pub(crate) about: String,
    /// By what share a ratio may be worse, unless it says so itself.
    pub(crate) tolerance: f64,
    /// The ratios.
    pub(crate) ratios: Vec<Kept>,
}

/// One committed ratio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) part: String,
    /// The row's key.
    pub(crate) figure: String,
    /// The column.
    pub(crate) of: String,
    /// The column that it is divided by.
    pub(crate) to: String,
    pub(crate) better: Better,
    pub(crate) ratio: f64,
    /// By what share this one may be worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tolerance: Option<f64>,
}

/// How one ratio compares.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    name: String,
    was: f64,
    is: Option<f64>,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Within the tolerance, or better.
    Held,
    /// Better by more than the tolerance: time for another baseline.
    Better,
    Worse,
    /// The part was measured, this was not.
    Missing,
    /// The part was not measured.
    Skipped,
}

/// Compares a run with the committed ratios; the text tells of each.
///
/// # Errors
/// If a ratio is worse than tolerated or has no figure, or if nothing at all was compared.
pub(crate) fn check(report: &Report, baseline: &Path) -> Result<String> {
    let text = std::fs::read_to_string(baseline).with_context(|| format!("{baseline:?}"))?;
    let baseline: Baseline =
        serde_json::from_str(&text).with_context(|| format!("{baseline:?} is no baseline"))?;
    judge(&compare(report, &baseline))
}

/// Writes the ratios of a run as the new baseline. Tolerances of ratios that stay are kept.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write(report: &Report, path: &Path) -> Result<()> {
    let before: Option<Baseline> =
        std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut text = serde_json::to_string_pretty(&renewed(report, before))?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("{path:?}"))
}

fn judge(findings: &[Finding]) -> Result<String> {
    let compared = findings.iter().filter(|finding| finding.is.is_some()).count();
    ensure!(compared > 0, "nothing was compared: run at least one part that the baseline has");
    let line = |Finding { name, was, is, verdict }: &Finding| {
        let is = is.map_or_else(|| "-".to_owned(), |is| format!("{is:.2}"));
        format!("{:8} {name}: {is}, was {was:.2}", format!("{verdict:?}").to_lowercase())
    };
    let text: Vec<String> = findings.iter().map(line).collect();
    let text = text.join("\n");
    let bad = |finding: &&Finding| matches!(finding.verdict, Verdict::Worse | Verdict::Missing);
    match findings.iter().filter(bad).count() {
        0 => Ok(text),
        count => bail!("{count} of {} ratios do not hold:\n{text}", findings.len()),
    }
}

fn compare(report: &Report, baseline: &Baseline) -> Vec<Finding> {
    let one = |kept: &Kept| {
        let Kept { part, figure, of, to, better, ratio: was, tolerance } = kept;
        let measured = report.parts.get(part);
        let is = measured.and_then(|part| {
            let row = part.rows.iter().find(|row| row.key == *figure)?;
            part.ratio(row, of, to)
        });
        let room = 1.0 + tolerance.unwrap_or(baseline.tolerance);
        let verdict = match (is, better) {
            (None, _) if measured.is_none() => Verdict::Skipped,
            (None, _) => Verdict::Missing,
            (Some(is), Better::Lower) if is > was * room => Verdict::Worse,
            (Some(is), Better::Higher) if is < was / room => Verdict::Worse,
            (Some(is), Better::Lower) if is < was / room => Verdict::Better,
            (Some(is), Better::Higher) if is > was * room => Verdict::Better,
            _ => Verdict::Held,
        };
        Finding { name: format!("{part} {figure} {of}/{to}"), was: *was, is, verdict }
    };
    baseline.ratios.iter().map(one).collect()
}

/// What is said in a new baseline.
const ABOUT: &str = "Ratios of `make bench`, for `make bench-check`: a ratio may be worse by the share \
    `tolerance`, its own or else the common one. Made by `joch-bench baseline`; see README, Speed and size.";
/// Two runs on one machine differ by less, most of the time.
const TOLERANCE: f64 = 0.3;

fn renewed(report: &Report, before: Option<Baseline>) -> Baseline {
    let (about, tolerance, old) = match before {
        Some(Baseline { about, tolerance, ratios }) => (about, tolerance, ratios),
        None => (ABOUT.to_owned(), TOLERANCE, Vec::new()),
    };
    let mut ratios = Vec::new();
    for (name, part) in &report.parts {
        for row in &part.rows {
            for (of, to) in &part.ratios {
                let Some(ratio) = part.ratio(row, of, to) else { continue };
                let same = |kept: &&Kept| {
                    [&kept.part, &kept.figure, &kept.of, &kept.to] == [name, &row.key, of, to]
                };
                ratios.push(Kept {
                    part: name.clone(),
                    figure: row.key.clone(),
                    of: of.clone(),
                    to: to.clone(),
                    better: row.better,
                    ratio: (ratio * 100.0).round() / 100.0,
                    tolerance: old.iter().find(same).and_then(|kept| kept.tolerance),
                });
            }
        }
    }
    ratios.extend(old.into_iter().filter(|kept| !report.parts.contains_key(&kept.part)));
    Baseline { about, tolerance, ratios }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::Part;

    fn report(latency: f64, rate: f64) -> Report {
        let mut part = Part::ours_and(&["plugin", "go"]);
        part.lower("latency", "ms", 0, vec![latency, 10.0]);
        part.higher("rate", "per second", 0, vec![rate, 100.0]);
        let parts = BTreeMap::from([("hello".to_owned(), part)]);
        Report { date: String::new(), cores: 2, flags: Vec::new(), parts }
    }

    fn verdicts(report: &Report, baseline: &Baseline) -> Vec<Verdict> {
        compare(report, baseline).into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_ratio_may_be_worse_by_the_tolerance_and_better_by_anything() {
        use Verdict::{Better, Held, Worse};
        let baseline = renewed(&report(10.0, 100.0), None);
        assert_eq!(baseline.ratios.len(), 2);
        for (latency, rate, expected) in [
            (10.0, 100.0, [Held, Held]),
            (12.9, 77.0, [Held, Held]),
            (13.1, 76.0, [Worse, Worse]),
            (7.6, 131.0, [Better, Better]),
            (7.8, 129.0, [Held, Held]),
        ] {
            assert_eq!(verdicts(&report(latency, rate), &baseline), expected, "{latency}, {rate}");
        }
    }

    #[test]
    fn a_ratio_has_its_own_tolerance_which_a_new_baseline_keeps() {
        let mut baseline = renewed(&report(10.0, 100.0), None);
        baseline.ratios[0].tolerance = Some(1.0);
        assert_eq!(verdicts(&report(19.0, 100.0), &baseline), [Verdict::Held; 2]);
        let renewed = renewed(&report(19.0, 100.0), Some(baseline));
        assert_eq!(renewed.ratios[0].tolerance, Some(1.0));
        assert_eq!(renewed.ratios[0].ratio, 1.9);
    }

    #[test]
    fn what_was_not_run_is_skipped_but_what_lost_its_figure_is_missing() {
        let baseline = renewed(&report(10.0, 100.0), None);
        let mut other = report(10.0, 100.0);
        other.parts.get_mut("hello").unwrap().rows.remove(0);
        assert_eq!(verdicts(&other, &baseline), [Verdict::Missing, Verdict::Held]);
        assert!(judge(&compare(&other, &baseline)).unwrap_err().to_string().starts_with("1 of 2"));
        other.parts.clear();
        assert_eq!(verdicts(&other, &baseline), [Verdict::Skipped; 2]);
        let error = judge(&compare(&other, &baseline)).unwrap_err().to_string();
        assert!(error.starts_with("nothing was compared"), "{error}");
    }

    #[test]
    fn a_baseline_of_one_part_leaves_the_others_alone() {
        let baseline = renewed(&report(10.0, 100.0), None);
        let mut other = report(20.0, 100.0);
        let part = other.parts.remove("hello").unwrap();
        other.parts.insert("tasks".to_owned(), part);
        let both = renewed(&other, Some(baseline));
        let of = |part: &str| both.ratios.iter().filter(|kept| kept.part == part).count();
        assert_eq!((of("hello"), of("tasks")), (2, 2));
        assert!(judge(&compare(&report(10.0, 100.0), &both)).unwrap().contains("skipped  tasks"));
    }
}
