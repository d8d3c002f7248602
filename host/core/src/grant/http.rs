//! Outgoing HTTP: which methods to which hosts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::{Missing, danger, dns_label};

/// Outgoing HTTP: `[[grant.http]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// The hosts.
    pub hosts: Vec<HostPattern>,
    /// Methods in capital letters.
    pub methods: Vec<String>,
    /// Whether the plugin is refused without it.
    #[serde(default = "super::yes")]
    pub required: bool,
}

/// Which hosts: `api.example.com`, `*.example.com` (one label or more in place of the star), `*` (any
/// host), each also with a port other than the scheme's own. https, unless it begins with `http://`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    secure: bool,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Any,
    /// Whatever ends with a dot and this.
    Below(String),
    Exact(String),
}

/// Why a text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "host pattern {pattern:?} is not valid: {problem} (write \"api.example.com\", \"*.example.com\", \
     \"localhost:8080\" or \"http://localhost:8080\")"
)]
pub struct InvalidPattern {
    pattern: String,
    problem: String,
}

/// Where a request goes: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin:?} is no origin: {problem} (http:// or https://, host, port)")]
pub struct InvalidOrigin {
    origin: String,
    problem: String,
}

impl HttpRule {
    /// Whether the rule says what it allows.
    ///
    /// # Errors
    /// One sentence that names what is empty or misspelt.
    pub fn check(&self) -> Result<(), String> {
        if self.hosts.is_empty() || self.methods.is_empty() {
            let what = if self.hosts.is_empty() { "hosts" } else { "methods" };
            return Err(format!("an http rule lists no {what}, so it allows nothing"));
        }
        let capital = |method: &&String| {
            !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase() || c == '-')
        };
        match self.methods.iter().find(|method| !capital(method)) {
            Some(method) => Err(format!(
                "an http rule lists {method:?}: methods are written in capital letters, as \"GET\""
            )),
            None => Ok(()),
        }
    }

    fn allows(&self, method: &str, origin: &Origin) -> bool {
        self.methods.iter().any(|own| own == method)
            && self.hosts.iter().any(|pattern| pattern.matches(origin))
    }
}

/// Decides an outgoing request: allowed only if one of `requested` and one of `granted` allow it.
///
/// # Errors
/// A text that says what would have to be requested or granted.
pub fn decide_http(
    requested: &[HttpRule],
    granted: &[HttpRule],
    method: &str,
    origin: &str,
) -> Result<(), String> {
    let parsed: Origin = origin.parse().map_err(|error: InvalidOrigin| error.to_string())?;
    let within = |rules: &[HttpRule]| rules.iter().any(|rule| rule.allows(method, &parsed));
    super::both(within(requested), within(granted), &format_args!("http {method} to {parsed}"))
}

/// Notes each method and host of a request that no granted rule covers.
pub(crate) fn missing(requested: &[HttpRule], granted: &[HttpRule], missing: &mut Missing) {
    for rule in requested {
        for host in &rule.hosts {
            for method in &rule.methods {
                let covered = granted.iter().any(|grant| {
                    grant.methods.contains(method) && grant.hosts.iter().any(|own| own.covers(host))
                });
                if !covered {
                    let what = format_args!("http {method} to {host}");
                    missing.note(rule.required, &what, danger::of_host(host));
                }
            }
        }
    }
}

impl HostPattern {
    /// Whether requests to `origin` are meant.
    #[must_use]
    pub fn matches(&self, origin: &Origin) -> bool {
        let host = match &self.host {
            Host::Any => true,
            Host::Below(domain) => is_below(&origin.host, domain),
            Host::Exact(host) => *host == origin.host,
        };
        host && self.secure == origin.secure && self.port == origin.port
    }

    /// Whether every origin that `other` matches is matched.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let host = match (&self.host, &other.host) {
            (Host::Any, _) => true,
            (Host::Below(mine), Host::Below(theirs)) => mine == theirs || is_below(theirs, mine),
            (Host::Below(mine), Host::Exact(theirs)) => is_below(theirs, mine),
            (mine, theirs) => mine == theirs,
        };
        host && self.secure == other.secure && self.port == other.port
    }

    /// Whether nearly any host is meant: `*`, or a star below a single label as in `*.com`.
    pub(super) fn is_anywhere(&self) -> bool {
        match &self.host {
            Host::Any => true,
            Host::Below(domain) => !domain.contains('.'),
            Host::Exact(_) => false,
        }
    }

    /// The one host meant, if it is one.
    pub(super) fn exact(&self) -> Option<&str> {
        match &self.host {
            Host::Exact(host) => Some(host),
            Host::Any | Host::Below(_) => None,
        }
    }
}

/// Whether `host` is a name below `domain`. Addresses are below nothing.
fn is_below(host: &str, domain: &str) -> bool {
    let prefix = host.strip_suffix(domain).and_then(|prefix| prefix.strip_suffix('.'));
    prefix.is_some_and(|prefix| !prefix.is_empty()) && address(host).is_none()
}

/// The address that a host is written as, if it is one.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

impl FromStr for HostPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = |problem: String| InvalidPattern { pattern: text.to_owned(), problem };
        let (secure, rest) = match text.split_once("://") {
            None => (true, text),
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => {
                return Err(invalid(format!("{scheme:?} is neither http nor https")));
            }
        };
        let (name, port) = split(rest, secure).map_err(invalid)?;
        let host = match name.strip_prefix("*.") {
            _ if name == "*" => Host::Any,
            Some(domain) => Host::Below(checked(domain).map_err(invalid)?),
            None => Host::Exact(checked(name).map_err(invalid)?),
        };
        if let Host::Below(domain) = &host
            && address(domain).is_some()
        {
            return Err(invalid("a star stands before a name, not before an address".to_owned()));
        }
        Ok(Self { secure, host, port })
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = |problem: String| InvalidOrigin { origin: text.to_owned(), problem };
        let (secure, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(invalid("it is neither http nor https".to_owned())),
        };
        let (name, port) = split(rest, secure).map_err(invalid)?;
        Ok(Self { secure, host: checked(name).map_err(invalid)?, port })
    }
}

/// Host and port; the scheme's own port if there is none.
fn split(text: &str, secure: bool) -> Result<(&str, u16), String> {
    if text.contains(['/', '?', '#', '@']) {
        return Err("it has more parts than scheme, host and port".to_owned());
    }
    // The colons of an IPv6 address stand in brackets.
    let end = text.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match text.get(end..).and_then(|rest| rest.find(':')) {
        None => return Ok((text, default_port(secure))),
        Some(colon) => text.split_at(end + colon),
    };
    let port = port.strip_prefix(':').unwrap_or_default();
    // What parses as a number may also begin with a plus.
    let digits = port.chars().all(|c| c.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number != 0 => Ok((host, number)),
        _ => Err(format!("{port:?} is no port")),
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// A host in its one spelling: lower case, addresses in their usual form. An IPv4 address inside an IPv6 one
/// is that IPv4 address: both lead to the same place.
fn checked(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    if host.starts_with('[') {
        let inner = host.trim_start_matches('[').trim_end_matches(']');
        let address: Result<Ipv6Addr, _> = inner.parse();
        return match address {
            Ok(address) if format!("[{inner}]") == host => Ok(match address.to_ipv4_mapped() {
                Some(address) => address.to_string(),
                None => format!("[{address}]"),
            }),
            _ => Err(format!("{text:?} is no IPv6 address in brackets")),
        };
    }
    if host.is_empty() || host.len() > 253 || !host.split('.').all(|l| dns_label(l).is_ok()) {
        return Err(format!("{text:?} is no host name"));
    }
    // Resolvers read 0x7f.1 and 2130706433 as addresses: such spellings would pass by every check.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.chars().all(|c| c.is_ascii_digit()) || last.starts_with("0x");
    if number && address(&host).is_none() {
        return Err(format!("{text:?} is no IPv4 address of four decimal numbers"));
    }
    Ok(host)
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "" } else { "http://" })?;
        match &self.host {
            Host::Any => f.write_str("*")?,
            Host::Below(domain) => write!(f, "*.{domain}")?,
            Host::Exact(host) => f.write_str(host)?,
        }
        port(f, self.port, self.secure)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.secure { "https://" } else { "http://" }, self.host)?;
        port(f, self.port, self.secure)
    }
}

fn port(f: &mut fmt::Formatter<'_>, port: u16, secure: bool) -> fmt::Result {
    if port == default_port(secure) { Ok(()) } else { write!(f, ":{port}") }
}

#[cfg(test)]
mod tests;
