//! Host patterns against a second notion of hosts: a pattern and a place as data, and the place in every
//! spelling that a URL library, a resolver or a person could come up with.

use joch_core::grant::decide_http;
use joch_core::grant::http::{HostPattern, HttpRule, Origin};
use joch_fuzz::{Target, edited_text};
use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::KEPT;

/// A host that is one, however it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Host {
    Name(Vec<String>),
    Four(Ipv4Addr),
    Six(Ipv6Addr),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    secure: bool,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Wanted {
    Any,
    Below(Vec<String>),
    Exact(Host),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pattern {
    secure: bool,
    wanted: Wanted,
    port: u16,
}

/// How a place is written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Spelling {
    Plain,
    UpperCase,
    PortGiven,
    PortWithSign,
    PortWithZeros,
    TrailingDot,
    User,
    UserLikeHost,
    Path,
    Backslash,
    Encoded,
    FullWidth,
    Hexadecimal,
    Octal,
    OneNumber,
    Short,
    Long,
    Mapped,
    Zone,
    NoBrackets,
    SchemeUpperCase,
    Blank,
}

const SPELLINGS: [Spelling; 22] = {
    use Spelling::*;
    [
        Plain,
        UpperCase,
        PortGiven,
        PortWithSign,
        PortWithZeros,
        TrailingDot,
        User,
        UserLikeHost,
        Path,
        Backslash,
        Encoded,
        FullWidth,
        Hexadecimal,
        Octal,
        OneNumber,
        Short,
        Long,
        Mapped,
        Zone,
        NoBrackets,
        SchemeUpperCase,
        Blank,
    ]
};

/// The IPv4 address that an IPv6 one is another spelling of.
fn mapped(host: &Host) -> Host {
    match host {
        Host::Six(six) => six.to_ipv4_mapped().map_or(Host::Six(*six), Host::Four),
        host => host.clone(),
    }
}

impl Pattern {
    /// What the pattern means.
    fn means(&self, place: &Place) -> bool {
        let host = match (&self.wanted, mapped(&place.host)) {
            (Wanted::Any, _) => true,
            (Wanted::Below(domain), Host::Name(labels)) => {
                labels.len() > domain.len() && labels.ends_with(domain)
            }
            (Wanted::Below(_), _) => false,
            (Wanted::Exact(exact), host) => mapped(exact) == host,
        };
        host && self.secure == place.secure && self.port == place.port
    }

    fn print(&self) -> String {
        let host = match &self.wanted {
            Wanted::Any => "*".to_owned(),
            Wanted::Below(labels) => format!("*.{}", labels.join(".")),
            Wanted::Exact(host) => plain(host),
        };
        format!("{}{host}:{}", if self.secure { "" } else { "http://" }, self.port)
    }
}

fn plain(host: &Host) -> String {
    match host {
        Host::Name(labels) => labels.join("."),
        Host::Four(four) => four.to_string(),
        Host::Six(six) => format!("[{six}]"),
    }
}

impl Place {
    fn spelt(&self, spelling: Spelling) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let default = if self.secure { 443 } else { 80 };
        let host = plain(&self.host);
        let port = if self.port == default { String::new() } else { format!(":{}", self.port) };
        let (port, given) = (port.as_str(), self.port);
        let four = match mapped(&self.host) {
            Host::Four(four) => Some(four),
            _ => None,
        };
        let [a, b, c, d] = four.unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
        let as_four = |text: String| if four.is_some() { text } else { host.clone() };
        let host = match spelling {
            Spelling::UpperCase => host.to_uppercase(),
            Spelling::PortGiven => return format!("{scheme}://{host}:{given}"),
            Spelling::PortWithSign => return format!("{scheme}://{host}:+{given}"),
            Spelling::PortWithZeros => return format!("{scheme}://{host}:000{given}"),
            Spelling::TrailingDot => format!("{host}."),
            Spelling::User => format!("user:secret@{host}"),
            Spelling::UserLikeHost => format!("{host}@evil.org"),
            Spelling::Path => return format!("{scheme}://evil.org{port}/{host}"),
            Spelling::Backslash => return format!("{scheme}://evil.org{port}\\@{host}"),
            Spelling::Encoded => host.replacen('a', "%61", 1).replacen('.', "%2e", 1),
            Spelling::FullWidth => host.replace('a', "ａ").replace('.', "。").replace('1', "１"),
            Spelling::Hexadecimal => as_four(format!("0x{a:x}.{b}.{c}.0x{d:X}")),
            Spelling::Octal => as_four(format!("0{a:o}.{b}.{c}.{d}")),
            Spelling::OneNumber => as_four(u32::from_be_bytes([a, b, c, d]).to_string()),
            Spelling::Short => as_four(format!("{a}.{}", u32::from_be_bytes([0, b, c, d]))),
            Spelling::Long => match &self.host {
                Host::Six(six) => {
                    let parts: Vec<String> =
                        six.segments().iter().map(|part| format!("{part:04X}")).collect();
                    format!("[{}]", parts.join(":"))
                }
                _ => host,
            },
            Spelling::Mapped => as_four(format!("[::FFFF:{a}.{b}.{c}.{d}]")),
            Spelling::Zone => host.replace(']', "%25lo]"),
            Spelling::NoBrackets => host.trim_matches(['[', ']']).to_owned(),
            Spelling::Blank => format!(" {host}\t"),
            Spelling::SchemeUpperCase => {
                return format!("{}://{host}{port}", scheme.to_uppercase());
            }
            Spelling::Plain => host,
        };
        format!("{scheme}://{host}{port}")
    }
}

/// The spellings that are allowed where the place is meant; all others are refused everywhere.
fn is_usual(spelling: Spelling) -> bool {
    use Spelling::{Long, Mapped, Plain, PortGiven, PortWithZeros, UpperCase};
    matches!(spelling, Plain | UpperCase | PortGiven | PortWithZeros | Long | Mapped)
}

fn rule(pattern: HostPattern) -> [HttpRule; 1] {
    [HttpRule { hosts: vec![pattern], methods: vec!["GET".to_owned()], required: true }]
}

fn no_spelling_gets_by((pattern, place, spelling): &(Pattern, Place, Spelling)) {
    let parsed: HostPattern = pattern.print().parse().expect("a well-formed pattern is read");
    let rules = rule(parsed);
    let text = place.spelt(*spelling);
    let decision = decide_http(&rules, &rules, "GET", &text);
    let means = pattern.means(place);
    // Some have nothing to respell in some hosts.
    if is_usual(*spelling) || text == place.spelt(Spelling::Plain) {
        assert_eq!(decision.is_ok(), means, "{} and {text:?}: {decision:?}", pattern.print());
    } else {
        assert!(decision.is_err(), "{} allows {text:?}", pattern.print());
    }
    // The other direction: an origin that is read is one place, which prints as it is decided.
    if let Ok(origin) = text.parse::<Origin>() {
        let again: Origin = origin.to_string().parse().expect("what was read is printed");
        assert_eq!(again, origin);
        assert_eq!(decide_http(&rules, &rules, "GET", &origin.to_string()), decision);
    }
}

fn covering_is_deciding((one, other, place): &(Pattern, Pattern, Place)) {
    let read = |pattern: &Pattern| pattern.print().parse::<HostPattern>().unwrap();
    let (wide, narrow) = (read(one), read(other));
    let origin: Origin = place.spelt(Spelling::Plain).parse().unwrap();
    assert_eq!(wide.matches(&origin), one.means(place), "{wide} {origin}");
    if wide.covers(&narrow) {
        assert!(!narrow.matches(&origin) || wide.matches(&origin), "{wide} {narrow} {origin}");
    }
    // Nothing else than being covered keeps a pattern's own places within another.
    let inside = match &other.wanted {
        Wanted::Exact(host) => one.means(&Place { host: host.clone(), ..own_port(other) }),
        Wanted::Below(domain) => {
            let below = Host::Name([&["zz".to_owned()], domain.as_slice()].concat());
            one.means(&Place { host: below, ..own_port(other) })
                && !matches!(&one.wanted, Wanted::Exact(_))
        }
        Wanted::Any => {
            let host = Host::Name(vec!["zz".to_owned()]);
            matches!(one.wanted, Wanted::Any) && one.means(&Place { host, ..own_port(other) })
        }
    };
    assert_eq!(wide.covers(&narrow), inside, "{wide} covers {narrow}");
    let printed: HostPattern = wide.to_string().parse().expect("what was read is printed");
    assert_eq!((&printed, printed.to_string()), (&wide, wide.to_string()));
}

fn own_port(pattern: &Pattern) -> Place {
    Place { secure: pattern.secure, host: Host::Name(Vec::new()), port: pattern.port }
}

fn text_is_one_pattern_or_refused(text: &str) {
    match text.parse::<HostPattern>() {
        Ok(pattern) => {
            let printed = pattern.to_string();
            assert_eq!(printed.parse::<HostPattern>().as_ref(), Ok(&pattern), "{text:?}");
            assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?} is {printed:?}");
            assert!(printed.len() <= text.len() + 30, "{text:?} is {printed:?}");
            // An address has its own brackets and no others.
            assert!(text.matches(['[', ']']).count() <= 2, "{text:?} is {printed:?}");
        }
        Err(error) => assert!(error.to_string().contains(&format!("{text:?}")), "{error}"),
    }
}

fn labels() -> impl Strategy<Value = Vec<String>> {
    let label = select(&["a", "b", "api", "xn--bcher-kva", "io", "1a"][..]).prop_map(str::to_owned);
    let last = select(&["io", "org", "localhost", "a"][..]).prop_map(str::to_owned);
    (proptest::collection::vec(label, 0..3), last).prop_map(|(mut labels, last)| {
        labels.push(last);
        labels
    })
}

fn host() -> impl Strategy<Value = Host> {
    let four = || {
        select(&[[10, 0, 0, 1], [127, 0, 0, 1], [169, 254, 169, 254]][..]).prop_map(Ipv4Addr::from)
    };
    let six = select(&["::1", "fd00::a", "fe80::1", "2001:db8::1:0:0:1", "::ffff:0:1"][..])
        .prop_map(|text| text.parse().unwrap());
    prop_oneof![
        3 => labels().prop_map(Host::Name),
        2 => four().prop_map(Host::Four),
        1 => six.prop_map(Host::Six),
        1 => four().prop_map(|four| Host::Six(four.to_ipv6_mapped())),
    ]
}

fn port() -> impl Strategy<Value = u16> {
    select(&[443, 443, 443, 80, 80, 8443, 1, 65_535][..])
}

fn place() -> impl Strategy<Value = Place> {
    (any::<bool>(), host(), port()).prop_map(|(secure, host, port)| Place { secure, host, port })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let wanted = prop_oneof![
        1 => Just(Wanted::Any),
        3 => labels().prop_map(Wanted::Below),
        4 => host().prop_map(Wanted::Exact),
    ];
    (any::<bool>(), wanted, port()).prop_map(|(secure, wanted, port)| Pattern {
        secure,
        wanted,
        port,
    })
}

/// A pattern and a place that have more in common than chance gives them.
fn pair() -> impl Strategy<Value = (Pattern, Place)> {
    (pattern(), place(), any::<[bool; 2]>()).prop_map(|(pattern, mut place, [port, host])| {
        if port {
            (place.secure, place.port) = (pattern.secure, pattern.port);
        }
        match (&pattern.wanted, host) {
            (Wanted::Exact(exact), true) => place.host = exact.clone(),
            (Wanted::Below(domain), true) => {
                place.host = Host::Name([&["b".to_owned()], domain.as_slice()].concat());
            }
            _ => {}
        }
        (pattern, place)
    })
}

#[test]
fn a_place_that_is_denied_is_allowed_in_no_other_spelling() {
    let inputs = (pair(), select(&SPELLINGS[..])).prop_map(|((a, b), spelling)| (a, b, spelling));
    Target { name: "host-spelling", kept: KEPT, cases: 100_000 }.hold(&inputs, no_spelling_gets_by);
}

#[test]
fn a_pattern_covers_another_if_it_means_all_that_the_other_means() {
    let inputs = (pair(), pattern()).prop_map(|((other, place), one)| (one, other, place));
    Target { name: "host-covers", kept: KEPT, cases: 50_000 }.hold(&inputs, covering_is_deciding);
}

#[test]
fn a_text_is_one_pattern_or_none() {
    let samples = [
        "api.example.com",
        "*.example.com:8443",
        "http://[::1]:8080",
        "10.0.0.1",
        "*",
        "[::ffff:10.0.0.1]",
    ];
    let words = [
        "[", "]", "[[", "*", ".", ":", "://", "http://", "https://", "@", "/", "%2e", "0x", "+",
        "é", "\0", "-",
    ];
    Target { name: "host-text", kept: KEPT, cases: 50_000 }
        .hold(&edited_text(&samples, &words), |text| text_is_one_pattern_or_refused(text));
}
