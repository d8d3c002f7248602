//! What a request to the API server means, read from its method and path.

use http::{Method, Request, Uri, header};

/// What a request does to which resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiRequest {
    /// The verb as in RBAC (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`), or the lower-case method where the path is no resource's.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The version within the group.
    pub version: String,
    /// The resource in the plural; empty where the path is no resource's.
    pub resource: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// The subresource.
    pub subresource: Option<String>,
    /// The path as it was asked for.
    pub path: String,
    /// Whether objects are asked for with their metadata only.
    pub metadata_only: bool,
}

impl ApiRequest {
    /// Reads a method and a path with its query.
    #[must_use]
    pub fn parse(method: &Method, uri: &Uri) -> Self {
        let path = uri.path();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let plain = || Self {
            verb: method.as_str().to_lowercase(),
            path: path.to_owned(),
            ..Self::default()
        };
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return plain(),
        };
        // /api/v1/namespaces/<name>[/status|finalize] is about the namespace itself.
        let (namespace, rest) = match rest {
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
            _ => (None, rest),
        };
        let (resource, name, subresource) = match rest {
            [] => return plain(),
            [resource] => (*resource, None, None),
            [resource, name] => (*resource, Some(*name), None),
            [resource, name, subresource, ..] => (*resource, Some(*name), Some(*subresource)),
        };
        let watch = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .any(|part| part == "watch" || part == "watch=true" || part == "watch=1");
        Self {
            verb: verb(method, name.is_some(), watch).to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
            path: path.to_owned(),
            metadata_only: false,
        }
    }

    /// Reads a whole request: what it accepts too.
    #[must_use]
    pub fn of<T>(request: &Request<T>) -> Self {
        let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let metadata_only = accepted.is_some_and(|text| text.contains("as=PartialObjectMetadata"));
        Self { metadata_only, ..Self::parse(request.method(), request.uri()) }
    }

    /// Whether it follows changes, so that its answer has no end.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.verb == "watch"
    }

    /// Whether it may change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str())
    }

    /// Whether it writes the status of an object of `resource`.
    #[must_use]
    pub fn writes_status_of(&self, resource: &str) -> bool {
        self.is_write()
            && self.resource == resource
            && self.subresource.as_deref() == Some("status")
    }

    /// Whether it makes an object of `resource` (not of a subresource).
    #[must_use]
    pub fn creates(&self, resource: &str) -> bool {
        self.verb == "create" && self.resource == resource && self.subresource.is_none()
    }
}

fn verb(method: &Method, named: bool, watch: bool) -> &'static str {
    match (method.as_str(), named) {
        ("GET" | "HEAD", _) if watch => "watch",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, uri: &str, expected: &str) {
        let request = ApiRequest::parse(&method.parse().unwrap(), &uri.parse().unwrap());
        let part = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        let ApiRequest { verb, group, version, resource, namespace, name, subresource, .. } =
            request;
        let (namespace, name, subresource) = (part(namespace), part(name), part(subresource));
        let text = format!("{verb} {group}/{version} {resource} {namespace} {name} {subresource}");
        assert_eq!(text, expected, "{method} {uri}");
    }

    #[test]
    fn verbs_and_parts_are_told_from_method_and_path() {
        check("GET", "/api/v1/namespaces/a/pods/p", "get /v1 pods a p -");
        check("GET", "/api/v1/namespaces/a/pods?limit=500", "list /v1 pods a - -");
        check("GET", "/api/v1/pods?limit=5&watch=true", "watch /v1 pods - - -");
        check("GET", "/apis/batch/v1/jobs?watch=1", "watch batch/v1 jobs - - -");
        check("GET", "/apis/batch/v1/jobs?watch=false", "list batch/v1 jobs - - -");
        check("POST", "/apis/batch/v1/namespaces/a/jobs?x=y", "create batch/v1 jobs a - -");
        check(
            "PATCH",
            "/apis/k.io/v1/namespaces/a/tasks/t/status",
            "patch k.io/v1 tasks a t status",
        );
        check("DELETE", "/apis/k.io/v1/namespaces/a/tasks", "deletecollection k.io/v1 tasks a - -");
        check("PUT", "/apis/k.io/v1/things/t", "update k.io/v1 things - t -");
    }

    #[test]
    fn namespaces_are_objects_too() {
        check("GET", "/api/v1/namespaces", "list /v1 namespaces - - -");
        check("GET", "/api/v1/namespaces/a", "get /v1 namespaces - a -");
        check("PUT", "/api/v1/namespaces/a/finalize", "update /v1 namespaces - a finalize");
    }

    #[test]
    fn other_paths_are_no_resources() {
        check("GET", "/readyz", "get /  - - -");
        check("GET", "/apis/batch/v1", "get /  - - -");
    }

    #[test]
    fn creating_a_subresource_is_not_creating_the_object() {
        let parse = |uri: &str| ApiRequest::parse(&Method::POST, &uri.parse().unwrap());
        assert!(parse("/apis/batch/v1/namespaces/a/jobs").creates("jobs"));
        assert!(!parse("/api/v1/namespaces/a/pods/p/eviction").creates("pods"));
    }
}
