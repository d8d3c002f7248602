//! Outgoing requests: whether one may be made. The engine sends it.

use std::sync::atomic::Ordering;

use joch_core::grant::{HostPattern, HttpRule, decide_http};
use joch_core::port::{HttpCall, KubeError, Reach};

use super::Session;
use crate::metrics::PluginLabels;

impl Session {
    /// Decides about a request, and counts it against the bound per reconcile.
    pub(super) fn authorize(&self, call: &HttpCall) -> Result<Reach, KubeError> {
        let HttpCall { method, origin } = call;
        let rules = &self.version.authority.http;
        decide_http(&rules.requested, &rules.granted, method, origin)
            .map_err(|missing| self.denied(method, &self.key, missing))?;
        let limit = self.version.manifest.limits.http_requests;
        if self.requests.fetch_add(1, Ordering::Relaxed) >= limit {
            let text = format!("{limit} outgoing HTTP requests per reconcile (http-requests)");
            return Err(KubeError::OverLimit(text));
        }
        let plugin = self.version.plugin().to_owned();
        self.around.metrics.http_requests.get_or_create(&PluginLabels { plugin }).inc();
        let named = names(&rules.requested, origin) && names(&rules.granted, origin);
        Ok(if named { Reach::Named } else { Reach::Ordinary })
    }
}

/// Whether one of the rules names the host itself, and not a pattern that it falls under.
fn names(rules: &[HttpRule], origin: &str) -> bool {
    let Ok(exactly) = origin.parse::<HostPattern>() else { return false };
    rules.iter().any(|rule| rule.hosts.contains(&exactly))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_by_itself_and_not_by_a_pattern() {
        let rule = |host: &str| HttpRule {
            hosts: vec![host.parse().unwrap()],
            methods: vec!["GET".to_owned()],
            required: true,
        };
        let table = [
            ("http://127.0.0.1:8080", true),
            ("http://*:8080", false),
            ("http://127.0.0.1", false),
            ("127.0.0.1:8080", false),
        ];
        for (pattern, named) in table {
            assert_eq!(names(&[rule(pattern)], "http://127.0.0.1:8080"), named, "{pattern}");
        }
        assert!(names(&[rule("a.example.com")], "https://a.example.com"));
        assert!(!names(&[rule("*.example.com")], "https://a.example.com"));
    }
}
