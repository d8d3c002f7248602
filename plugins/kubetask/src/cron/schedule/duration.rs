//! Durations as Go writes them: `1h30m`, `1.5h`, `-90s`.

const NANOS: i128 = 1_000_000_000;

/// Whole seconds of a duration.
///
/// # Errors
/// Half a sentence that names the duration.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration {text:?}");
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end).ok_or_else(invalid)?;
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit = nanos_of(unit).ok_or_else(|| match unit {
            "" => format!("missing unit in duration {text:?}"),
            _ => format!("unknown unit {unit:?} in duration {text:?}"),
        })?;
        let part = value(whole).zip(fraction_of(fraction, unit));
        let (whole, fraction) = part.ok_or_else(invalid)?;
        nanos += whole * unit + fraction;
        if nanos > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = next;
    }
    i64::try_from(sign * nanos / NANOS).map_err(|_| invalid())
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The number; none if it is too large for any duration.
fn value(digits: &str) -> Option<i128> {
    if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok().map(i128::from) }
}

/// What `.5` is of a unit. More digits than nanoseconds need make no difference.
fn fraction_of(digits: &str, unit: i128) -> Option<i128> {
    let kept = digits.get(..digits.len().min(18))?;
    let scale = 10_i128.checked_pow(u32::try_from(kept.len()).ok()?)?;
    Some(value(kept)? * unit / scale)
}

fn nanos_of(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS,
        "m" => 60 * NANOS,
        "h" => 3600 * NANOS,
        _ => return None,
    })
}
