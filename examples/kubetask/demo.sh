#!/usr/bin/env bash
# The demo: a real cluster, the host with kubetask.wasm, three Tasks that run to their end, their output.
# Called by `make demo`, which builds what it needs. DEMO_CLUSTER names a kubeconfig to use instead of an
# own cluster; KEEP=1 leaves everything running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dist=$PWD/dist
state=$PWD/dist/demo
namespace=joch-demo
admin=127.0.0.1:9440
began=$SECONDS
host_pid=
made_cluster=
made_crds=

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
say() { printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s    %s%s\n' "$dim" "$*" "$plain"; }
fail() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }
kubectl() { "$state/kubectl" --kubeconfig "$kubeconfig" "$@"; }

clean_up() {
  local code=$?
  if [ -n "${KEEP:-}" ] && [ "$code" = 0 ]; then return; fi
  say "cleaning up"
  if [ -n "$made_crds" ]; then
    kubectl delete --ignore-not-found --timeout=60s namespace "$namespace" >/dev/null 2>&1 || true
    # Only the CRDs that were not there before: somebody else's stay, with everything of those kinds.
    for crd in $made_crds; do kubectl delete --ignore-not-found --timeout=60s crd "$crd" >/dev/null 2>&1 || true; done
  fi
  if [ -n "$host_pid" ] && kill -TERM "$host_pid" 2>/dev/null; then wait "$host_pid" 2>/dev/null || true; fi
  if [ -n "$made_cluster" ]; then "$dist/devcluster" down --dir "$state/cluster" || true; fi
  if [ "$code" != 0 ]; then note "the host's log: $state/host.log"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

mkdir -p "$state"
ln -sfn "$dist/bin/devcluster" "$state/kubectl"

if [ -n "${DEMO_CLUSTER:-}" ]; then
  kubeconfig=$DEMO_CLUSTER
  [ -r "$kubeconfig" ] || fail "kubeconfig $kubeconfig cannot be read"
  say "using your cluster ($kubeconfig)"
  kubectl version -o json >/dev/null 2>&1 || fail "the cluster of $kubeconfig does not answer; try: kubectl --kubeconfig $kubeconfig version"
else
  [ "$(id -u)" = 0 ] || fail "a node needs root: run it as root, or use your own cluster by make demo KUBECONFIG=FILE"
  say "starting a real Kubernetes with one node on this machine"
  # It brings the image busybox:1.35 along, since no registry may be in reach.
  made_cluster=1
  kubeconfig=$("$dist/devcluster" up --node --dir "$state/cluster" | tail -n 1)
fi
kubectl get nodes

say "installing the resource types of KubeTask (dist/crds)"
for file in "$dist"/crds/*.yaml; do
  crd=$(kubectl create --dry-run=client -f "$file" -o name | sed 's|.*/||')
  kubectl get crd "$crd" >/dev/null 2>&1 || made_crds="$made_crds $crd"
done
kubectl apply -f "$dist/crds"
kubectl wait --for=condition=Established --timeout=30s -f "$dist/crds" >/dev/null

say "starting joch-controller-manager; it loads kubetask.wasm from dist/plugins"
curl -fs "http://$admin/healthz" >/dev/null 2>&1 && fail "something already answers at $admin; end it first (an earlier demo with KEEP=1?)"
"$dist/joch-controller-manager" --plugin-dir "$dist/plugins" --kubeconfig "$kubeconfig" --admin "$admin" \
  --grants examples/kubetask/demo/grants.toml --cache-dir "$state/compiled" >"$state/host.log" 2>&1 &
host_pid=$!
for _ in $(seq 300); do
  curl -fs "http://$admin/readyz" >/dev/null 2>&1 && break
  kill -0 "$host_pid" 2>/dev/null || fail "the host ended: $(tail -n 3 "$state/host.log")"
  sleep 0.1
done
curl -fs "http://$admin/readyz" >/dev/null || fail "the host is not ready after 30 s: $(tail -n 3 "$state/host.log")"
sed 's/^/    /' "$state/host.log"

say "applying an Agent and three Tasks (examples/kubetask/demo)"
applied=$SECONDS
kubectl apply -f examples/kubetask/demo/1-namespace.yaml -f examples/kubetask/demo/2-agent.yaml -f examples/kubetask/demo/3-tasks.yaml

say "the Tasks as they move"
timeout 300 "$state/kubectl" --kubeconfig "$kubeconfig" get tasks -n "$namespace" --watch --output-watch-events=false &
watcher=$!
for task in update-dependencies write-changelog triage-issues; do
  kubectl wait -n "$namespace" "task/$task" --for=jsonpath='{.status.phase}'=Completed --timeout=180s >/dev/null ||
    { kubectl get tasks,jobs,pods,events -n "$namespace"; fail "task $task is not Completed"; }
done
done_at=$SECONDS
sleep 0.5
kill "$watcher" 2>/dev/null || true
wait "$watcher" 2>/dev/null || true

say "what the agent of update-dependencies wrote"
kubectl logs -n "$namespace" "job/$(kubectl get task update-dependencies -n "$namespace" -o jsonpath='{.status.jobName}')" | sed 's/^/    /'
say "its status"
kubectl get task update-dependencies -n "$namespace" -o yaml | sed -n '/^status:/,$s/^/    /p'

say "done: three Tasks Completed $((done_at - applied)) s after they were applied, $((SECONDS - began)) s in all"
cat <<TEXT

What to try next (KEEP=1 make demo leaves everything running):
  export KUBECONFIG=$kubeconfig
  $state/kubectl get tasks -n $namespace -w
  curl -s http://$admin/debug/plugins
  edit plugins/kubetask/src/job.rs, then: make plugins      # the running host swaps it in; see $state/host.log
  write your own controller: examples/hello-controller
TEXT
if [ -n "${KEEP:-}" ]; then
  disown "$host_pid"
  note "left running: the host (pid $host_pid)${made_cluster:+ and the cluster; end them by: kill $host_pid; dist/devcluster down --dir $state/cluster}"
fi
