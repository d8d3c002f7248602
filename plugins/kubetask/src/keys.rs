//! Keys of the context ConfigMap: one for each file path.

/// What the API server allows.
const MAX: usize = 253;

/// The key for a path: without one leading slash, other slashes are dashes, and what a key cannot hold
/// is an underscore. `taken` are the keys given so far: a key that would repeat one gets a number.
#[must_use]
pub fn key_for(path: &str, taken: &[&str]) -> String {
    let plain = sanitise(path);
    if !taken.contains(&plain.as_str()) {
        return plain;
    }
    // Among one number more than there are keys, one is free.
    (2..=taken.len() + 2)
        .map(|number| numbered(&plain, number))
        .find(|key| !taken.contains(&key.as_str()))
        .unwrap_or(plain)
}

fn sanitise(path: &str) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut key: String = path
        .chars()
        .map(|c| match c {
            '/' => '-',
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect();
    // `.`, and all that begins with `..`, are names of folders.
    if key == "." || key.starts_with("..") {
        key.insert(0, '_');
    }
    key.truncate(MAX);
    key
}

fn numbered(plain: &str, number: usize) -> String {
    let suffix = format!("-{number}");
    let mut key = plain.to_owned();
    key.truncate(MAX.saturating_sub(suffix.len()));
    key.push_str(&suffix);
    key
}
