//! Host patterns, origins, and the table of decisions about requests.

use super::*;

fn pattern(text: &str) -> HostPattern {
    text.parse().unwrap()
}

fn rule(hosts: &[&str], methods: &[&str]) -> HttpRule {
    HttpRule {
        hosts: hosts.iter().map(|host| pattern(host)).collect(),
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        required: true,
    }
}

#[test]
fn patterns_are_printed_in_their_one_spelling() {
    for (text, printed) in [
        ("api.example.com", "api.example.com"),
        ("API.Example.com:443", "api.example.com"),
        ("https://api.example.com", "api.example.com"),
        ("http://api.example.com:80", "http://api.example.com"),
        ("*.example.com:8443", "*.example.com:8443"),
        ("*", "*"),
        ("http://*:8080", "http://*:8080"),
        ("localhost:8080", "localhost:8080"),
        ("10.0.0.1", "10.0.0.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("[0:0::1]", "[::1]"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
    ] {
        assert_eq!(pattern(text).to_string(), printed, "{text}");
        assert_eq!(pattern(printed), pattern(text));
    }
}

#[test]
fn texts_that_are_no_patterns_are_refused_by_name() {
    for (text, part) in [
        ("", "no host name"),
        ("ftp://a.io", "\"ftp\""),
        ("a.io/v1", "more parts"),
        ("user@a.io", "more parts"),
        ("a.io?x", "more parts"),
        ("a..io", "no host name"),
        ("a.io.", "no host name"),
        ("a_b.io", "no host name"),
        ("a b.io", "no host name"),
        ("api.*.io", "no host name"),
        ("a*.io", "no host name"),
        ("*.*.io", "no host name"),
        ("*.", "no host name"),
        ("a.io:", "no port"),
        ("a.io:0", "no port"),
        ("a.io:+80", "no port"),
        ("a.io:99999", "no port"),
        ("a.io:80:80", "no port"),
        ("::1", "no port"),
        ("a.io::80", "no port"),
        ("[::1", "no port"),
        ("[a.io]", "no IPv6"),
        ("[[::1]]", "no IPv6"),
        ("127.1", "no IPv4"),
        ("2130706433", "no IPv4"),
        ("0x7f.0x1", "no IPv4"),
        ("*.0.0.1", "no IPv4"),
        ("*.127.0.0.1", "before an address"),
    ] {
        let error = text.parse::<HostPattern>().expect_err(text).to_string();
        assert!(error.contains(&format!("{text:?}")) && error.contains(part), "{error}");
    }
}

#[test]
fn the_table_of_patterns_and_origins() {
    // pattern, origin, whether it matches
    let table = [
        ("api.a.io", "https://api.a.io", true),
        ("api.a.io", "https://API.A.IO:443", true),
        ("api.a.io", "http://api.a.io", false),
        ("api.a.io", "https://api.a.io:8443", false),
        ("api.a.io", "https://b.api.a.io", false),
        ("*.a.io", "https://api.a.io", true),
        ("*.a.io", "https://b.api.a.io", true),
        ("*.a.io", "https://a.io", false),
        ("*.a.io", "https://bada.io", false),
        ("*.a.io", "https://api.a.io.evil.org", false),
        ("*", "https://anything.at.all", true),
        ("*", "http://anything.at.all", false),
        ("*", "https://10.0.0.1", true),
        ("localhost:8080", "https://localhost:8080", true),
        ("http://localhost:8080", "http://localhost:8080", true),
        ("http://localhost:8080", "https://localhost:8080", false),
        ("http://[::1]:8080", "http://[0::1]:8080", true),
    ];
    for (text, origin, matches) in table {
        assert_eq!(pattern(text).matches(&origin.parse().unwrap()), matches, "{text} {origin}");
    }
}

#[test]
fn a_pattern_that_covers_another_matches_all_that_it_matches() {
    let patterns = [
        "*",
        "http://*",
        "*.io",
        "*.a.io",
        "*.b.a.io",
        "a.io",
        "b.a.io",
        "c.b.a.io",
        "b.a.io:8443",
    ];
    let origins = [
        "https://a.io",
        "https://b.a.io",
        "https://c.b.a.io",
        "https://d.c.b.a.io",
        "https://b.a.io:8443",
        "http://b.a.io",
        "https://x.org",
    ];
    for mine in patterns.map(pattern) {
        for theirs in patterns.map(pattern) {
            // The origins tell all of these patterns apart, so that covering is what they say.
            let covers = origins.iter().all(|origin| {
                let origin = origin.parse().unwrap();
                !theirs.matches(&origin) || mine.matches(&origin)
            });
            assert_eq!(mine.covers(&theirs), covers, "{mine} covers {theirs}");
        }
    }
}

#[test]
fn the_table_of_requests_and_grants() {
    let (get, post) = (["GET"].as_slice(), ["GET", "POST"].as_slice());
    // requested, granted, method, origin, what the denial says
    let table = [
        (rule(&["a.io"], get), rule(&["a.io"], get), "GET", "https://a.io", None),
        (rule(&["a.io"], get), rule(&["*"], post), "GET", "https://a.io", None),
        (rule(&["a.io"], get), rule(&["*"], post), "POST", "https://a.io", Some("not requested")),
        (rule(&["a.io"], get), rule(&["*"], post), "GET", "https://b.io", Some("not requested")),
        (rule(&["*"], post), rule(&["a.io"], get), "GET", "https://b.io", Some("not granted")),
        (rule(&["*"], post), rule(&["a.io"], get), "POST", "https://a.io", Some("not granted")),
        (rule(&["*"], post), rule(&["a.io"], get), "get", "https://a.io", Some("not requested")),
        (rule(&["*"], post), rule(&["*"], post), "GET", "a.io", Some("no origin")),
        (rule(&["*"], post), rule(&["*"], post), "GET", "https://e@a.io", Some("no origin")),
    ];
    for (requested, granted, method, origin, denial) in table {
        let decision = decide_http(&[requested], &[granted], method, origin);
        match (denial, decision) {
            (None, decision) => assert_eq!(decision, Ok(()), "{method} {origin}"),
            (Some(part), Err(text)) => {
                assert!(
                    text.contains(part) && text.contains("a.io") | text.contains("b.io"),
                    "{text}"
                );
            }
            (Some(part), Ok(())) => panic!("{method} {origin} is allowed, not {part}"),
        }
    }
    assert!(decide_http(&[], &[], "GET", "https://a.io").is_err(), "deny by default");
}

#[test]
fn nothing_missing_means_nothing_requested_is_denied() {
    let universe = [rule(&["a.io", "*.b.io"], &["GET"]), rule(&["*"], &["GET", "POST"])];
    let narrow = rule(&["a.io"], &["GET"]);
    for requested in universe.iter().chain([&narrow]) {
        for granted in universe.iter().chain([&narrow]) {
            let (requested, granted) = ([requested.clone()], [granted.clone()]);
            let mut found = Missing::default();
            missing(&requested, &granted, &mut found);
            for origin in ["https://a.io", "https://c.b.io", "https://x.org"] {
                for method in ["GET", "POST"] {
                    let asked = decide_http(&requested, &requested, method, origin).is_ok();
                    let decision = decide_http(&requested, &granted, method, origin);
                    assert!(
                        !asked || decision.is_ok() || !found.required.is_empty(),
                        "{decision:?}"
                    );
                }
            }
        }
    }
}
