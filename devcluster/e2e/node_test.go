package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: docker.io/library/busybox:1.35
        command: [sh, -c, "mkdir /tmp/www; echo greetings > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"]
        readinessProbe: {httpGet: {port: 8080, path: /index.html}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: visitor}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: visitor
        image: docker.io/library/busybox:1.35
        command: [sh, -c, "ls /var/run/secrets/kubernetes.io/serviceaccount && nslookup web.default.svc.cluster.local && until wget -qO- http://$WEB_SERVICE_HOST; do sleep 0.2; done"]
`

// newNode is a cluster that may have a node; the test is skipped where that is impossible.
func newNode(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t)
	if os.Geteuid() != 0 {
		t.Skip("a node needs root")
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(c.bin), "containerd")); err != nil {
		t.Skip("no containerd beside devcluster; run `make -C devcluster node`")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("no runc; run `make -C devcluster node-packages`")
	}
	if _, err := os.Stat("/run/joch-devcluster.lock"); err == nil {
		t.Skip("this machine's node is taken")
	}
	// A socket's path has room for 107 characters; the folder alone has more.
	c.dir = filepath.Join(t.TempDir(), strings.Repeat("long-", 20), "cluster")
	return c
}

func TestPodsServicesNamesAndLogsWorkOnANode(t *testing.T) {
	c := newNode(t)
	before := machine(t)
	c.run("up", "--node")
	c.apply(workload)
	c.run("kubectl", "wait", "--for=condition=complete", "job/visitor", "--timeout=90s")
	logs := c.run("kubectl", "logs", "job/visitor")
	for _, want := range []string{"token", "Name:\tweb.default.svc.cluster.local", "greetings"} {
		if !strings.Contains(logs, want) {
			t.Errorf("the job's log lacks %q:\n%s", want, logs)
		}
	}
	if got := c.run("kubectl", "exec", "deploy/web", "--", "cat", "/tmp/www/index.html"); got != "greetings\n" {
		t.Errorf("exec printed %q", got)
	}
	other := newCluster(t)
	if _, err := other.try("up", "--node"); err == nil || !strings.Contains(err.Error(), c.dir) {
		t.Errorf("a second node on the machine: %v", err)
	}
	c.run("down")
	c.assertGone()
	if after := machine(t); after != before {
		t.Errorf("the machine was\n%s\nand is\n%s", before, after)
	}
}

func TestALoadedImageRuns(t *testing.T) {
	c := newNode(t)
	c.run("up", "--node")
	root, archive := t.TempDir(), filepath.Join(t.TempDir(), "own.tar")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip(err)
	}
	// Under its own name, by which busybox knows that the applet is its first argument.
	if out, err := exec.Command("cp", "-L", busybox, filepath.Join(root, "busybox")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.run("image", "pack", "--name", "joch.dev/own:1", "--root", root, "--entrypoint", "/busybox",
		"--entrypoint", "echo", "--cmd", "packed", "--out", archive)
	c.run("image", "load", archive)
	c.run("kubectl", "create", "job", "own", "--image=joch.dev/own:1")
	c.run("kubectl", "wait", "--for=condition=complete", "job/own", "--timeout=90s")
	if got := c.run("kubectl", "logs", "job/own"); got != "packed\n" {
		t.Errorf("the image printed %q", got)
	}
}

func TestDownCleansTheMachineAfterItsDaemonsWereKilled(t *testing.T) {
	c := newNode(t)
	before := machine(t)
	c.run("up", "--node")
	c.apply(workload)
	c.run("kubectl", "wait", "--for=condition=available", "deploy/web", "--timeout=90s")
	for _, name := range []string{"kubelet", "kube-apiserver", "containerd"} {
		if err := syscall.Kill(c.pid(name), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	c.run("down")
	c.assertGone()
	if after := machine(t); after != before {
		t.Errorf("the machine was\n%s\nand is\n%s", before, after)
	}
}

func TestDownCleansTheMachineAfterAnUpThatWasKilledAtAnyPoint(t *testing.T) {
	for _, delay := range []time.Duration{100, 300, 800, 2000, 4000} {
		c := newNode(t)
		before := machine(t)
		c.upKilledAfter(delay*time.Millisecond, "up", "--node")
		if after := machine(t); after != before {
			t.Errorf("killed after %d ms: the machine was\n%s\nand is\n%s", delay, before, after)
		}
	}
}

func TestTheNextNodeRemovesOneWhoseFolderWasDeleted(t *testing.T) {
	lost, next := newNode(t), newNode(t)
	before := machine(t)
	lost.run("up", "--node")
	if err := os.Remove(filepath.Join(lost.dir, "state.json")); err != nil {
		t.Fatal(err)
	}
	next.run("up", "--node")
	if left := lost.processes(); len(left) > 0 {
		t.Errorf("processes of the lost cluster: %q", left)
	}
	next.run("kubectl", "get", "node", "joch-node")
	next.run("down")
	next.assertGone()
	if after := machine(t); after != before {
		t.Errorf("the machine was\n%s\nand is\n%s", before, after)
	}
}

// machine is what a node changes on the machine, as one text to compare.
func machine(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, command := range [][]string{
		{"ip", "-o", "link", "show", "type", "bridge"}, {"ip", "-o", "link", "show", "type", "veth"},
		{"nft", "list", "tables"}, {"sh", "-c", "ls -d /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods 2>/dev/null; true"},
		{"sh", "-c", "ls -d /tmp/devcluster-* /tmp/.devcluster-* /run/joch* /run/containerd /var/lib/kubelet /var/lib/cni /run/netns /var/log/containers /var/log/pods 2>/dev/null; true"},
		{"sh", "-c", "cut -d ' ' -f 2 /proc/mounts"},
		{"cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic"},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
		b.Write(out)
	}
	return b.String()
}
