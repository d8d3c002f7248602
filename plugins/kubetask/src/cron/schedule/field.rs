//! One field of a schedule: `*`, `1-5`, `*/15`, `MON,WED`, as a set of numbers.

/// Which numbers a field may have, and their names.
#[derive(Debug)]
pub(super) struct Bounds {
    min: u8,
    max: u8,
    /// The first name is that of the smallest number.
    names: &'static [&'static str],
}

impl Bounds {
    pub(super) const MINUTE: Self = Self { min: 0, max: 59, names: &[] };
    pub(super) const HOUR: Self = Self { min: 0, max: 23, names: &[] };
    pub(super) const DAY: Self = Self { min: 1, max: 31, names: &[] };
    pub(super) const MONTH: Self = Self {
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    };
    pub(super) const WEEKDAY: Self =
        Self { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };
}

/// A set of numbers below 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    bits: u64,
    /// Whether a part of the field said "any", so that the other field of days decides alone.
    any: bool,
}

impl Set {
    /// Reads a list of ranges. Empty parts of the list are skipped, and a set may be empty: such a
    /// schedule is accepted and never due.
    pub(super) fn parse(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let mut set = Self { bits: 0, any: false };
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let Self { bits, any } = Self::range(part, bounds)?;
            set = Self { bits: set.bits | bits, any: set.any || any };
        }
        Ok(set)
    }

    pub(super) fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| number < 64 && (self.bits >> number) & 1 == 1)
    }

    pub(super) fn is_any(self) -> bool {
        self.any
    }

    /// `*`, `7`, `1-5`, each also with `/2`; a single number with a step goes on to the end.
    fn range(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (low, Some(high)),
            None => (range, None),
        };
        let any = matches!(low, "*" | "?");
        let [min, max] = [bounds.min, bounds.max].map(i64::from);
        let (start, mut end) = if any {
            (min, max)
        } else {
            let start = number_or_name(low, bounds)?;
            match high {
                None => (start, start),
                Some(high) if high.contains('-') => {
                    return Err(format!("too many hyphens: {text}"));
                }
                Some(high) => (start, number_or_name(high, bounds)?),
            }
        };
        let step = match step {
            None => 1,
            Some(step) if step.contains('/') => return Err(format!("too many slashes: {text}")),
            Some(step) => {
                if high.is_none() {
                    end = max;
                }
                number(step)?
            }
        };
        if start < min {
            return Err(format!("beginning of range ({start}) below minimum ({min}): {text}"));
        }
        if end > max {
            return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
        }
        if start > end {
            return Err(format!(
                "beginning of range ({start}) beyond end of range ({end}): {text}"
            ));
        }
        if step == 0 {
            return Err(format!("step of range should be a positive number: {text}"));
        }
        let step_by = usize::try_from(step).unwrap_or(usize::MAX);
        let bits = (start..=end).step_by(step_by).fold(0, |bits, number| bits | 1 << number);
        Ok(Self { bits, any: any && step == 1 })
    }
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<i64, String> {
    let named = bounds.names.iter().zip(i64::from(bounds.min)..);
    let named = named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    named.map_or_else(|| number(text), |(_, number)| Ok(number))
}

fn number(text: &str) -> Result<i64, String> {
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {text}")),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("failed to parse int from {text}: not a whole number")),
    }
}
