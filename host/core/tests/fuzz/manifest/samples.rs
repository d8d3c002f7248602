//! Manifests that are valid, to begin with.

/// As little as a controller needs.
pub(super) const LEAST: &str = r#"manifest = 1
[plugin]
name = "least"
version = "1"
kind = "controller"
track = "0.1"
[[controller]]
name = "c"
primary = { group = "", version = "v1", kind = "ConfigMap" }
"#;

const ADAPTER: &str = r#"manifest = 1
plugin = { name = "adapter-1", version = "0.1.0-rc.1+é", kind = "adapter", track = "0.2" }
limits = { memory = "4Gi", cpu = "10m", wall = "1h" }
"#;

const FULL: &str = r#"manifest = 1
[plugin]
name = "full"
version = "0.1.0"
kind = "controller"
track = "0.1"
[[controller]]
name = "task"
primary = { group = "kubetask.io", version = "v1alpha1", kind = "Task" }
also = [{ group = "batch", version = "v1", kind = "CronJob" }]
watch = [{ kind = "batch/v1/Job", by = "owner" }, { kind = "v1/ConfigMap", by = "read", data = "metadata" },
    { kind = "v1/Node", by = "read", data = ["/spec/a~1b", "/status"] }]
data = ["/spec"]
finalizer = "example.com/clean-up"
finalizer-timeout = "30s"
status = { phase = "phase", started = ["startTime", "startedAt"], finished = ["finishedAt"],
           running = ["Running"], terminal = ["Completed", "Failed"] }
[[grant.kube]]
verbs = ["get", "list", "watch"]
kinds = ["v1/ConfigMap"]
namespaces = ["a", "b-1"]
required = false
[[grant.kube]]
verbs = ["patch"]
kinds = ["apps/v1/Deployment"]
subresources = ["status", "scale"]
namespaces = "all"
[grant.jobs]
service-accounts = ["*"]
secrets = "same-namespace"
images = ["ghcr.io/*"]
profile = "baseline"
max-active = 2000
[[grant.http]]
hosts = ["api.example.com", "*.a.io:8443", "http://[::1]:8080"]
methods = ["GET", "POST"]
[[grant.secrets]]
names = ["token", "key-*"]
namespaces = "same"
hosts = ["api.example.com"]
reveal = true
required = false
[limits]
memory = "64Mi"
cpu = "200ms"
wall = "30s"
concurrency = 8
api-per-reconcile = 50
events = 0
[[metric]]
name = "calls"
kind = "counter"
help = "Calls \"by\" code."
labels = { code = ["ok", "failed"], verb = ["get"] }
[[metric]]
name = "depth"
kind = "gauge"
help = "Depth."
"#;

pub(super) const ALL: [&str; 3] = [LEAST, ADAPTER, FULL];
