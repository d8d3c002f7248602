package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const job = `
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: "docker.io/library/busybox:1.35", command: [echo, hi]}]
`

func TestTwoControlPlanesRunSideBySide(t *testing.T) {
	a, b := newCluster(t), newCluster(t)
	for _, c := range []*cluster{a, b} {
		if got, want := strings.TrimSpace(c.run("up")), filepath.Join(c.dir, "kubeconfig"); got != want {
			t.Errorf("up printed %q, not %q", got, want)
		}
	}
	a.run("kubectl", "create", "configmap", "only-here", "--from-literal=k=v")
	if _, err := b.try("kubectl", "get", "configmap", "only-here"); err == nil {
		t.Error("both are the same cluster")
	}
	b.apply(job)
	b.eventually("the job controller makes a pod", func() bool {
		return b.run("kubectl", "get", "pods", "-l", "job-name=hello", "-o", "name") != ""
	})
	b.run("kubectl", "get", "serviceaccount/default", "configmap/kube-root-ca.crt")

	a.run("down")
	a.assertGone()
	b.run("status")
	b.run("down")
	b.assertGone()
	b.run("down") // nothing to do is no failure
}

func TestUpTwiceKeepsTheClusterAndRepairsABrokenOne(t *testing.T) {
	c := newCluster(t)
	first := c.run("up")
	before := c.pid("etcd")
	if second := c.run("up"); second != first {
		t.Errorf("printed %q, then %q", first, second)
	}
	if c.pid("etcd") != before {
		t.Error("the second `up` started it anew")
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.eventually("status fails", func() bool { _, err := c.try("status"); return err != nil })
	c.run("up")
	if c.pid("etcd") == before {
		t.Error("the dead component was not replaced")
	}
	c.run("kubectl", "get", "namespaces")
	c.run("down")
	c.assertGone()
}

func TestDownCleansUpAfterAnUpThatWasKilledAtAnyPoint(t *testing.T) {
	for _, delay := range []time.Duration{30, 120, 300, 600, 1200, 2500} {
		c := newCluster(t)
		c.upKilledAfter(delay*time.Millisecond, "up")
		if _, err := os.Stat(filepath.Join(c.dir, "state.json")); err == nil {
			t.Errorf("killed after %d ms: the record is still there", delay)
		}
	}
}

func TestAClusterEndsWithItsParent(t *testing.T) {
	c := newCluster(t)
	parent := exec.Command("sleep", "600")
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = parent.Process.Kill() })
	c.run("up", "--parent", strconv.Itoa(parent.Process.Pid))
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	c.eventually("the cluster goes", func() bool {
		_, err := os.Stat(c.dir)
		return err != nil && len(c.processes()) == 0
	})
}

func TestAForeignFolderIsRefusedInOneLine(t *testing.T) {
	c := newCluster(t)
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.dir, "notes.txt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := c.command("up").CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "devcluster: ") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
	c.run("down")
	if _, err := os.Stat(file); err != nil {
		t.Error("the file is gone")
	}
}

// pid is a component's, also if it has ended.
func (c *cluster) pid(name string) int {
	c.t.Helper()
	var status struct {
		Components []struct {
			Name string
			PID  int
		}
	}
	out, _ := c.try("status", "-o", "json") // fails once a component has ended, but prints all
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		c.t.Fatal(err)
	}
	for _, component := range status.Components {
		if component.Name == name {
			return component.PID
		}
	}
	c.t.Fatalf("no component %s", name)
	return 0
}
