// Package e2e tests the devcluster executable from outside: DEVCLUSTER_BIN names it.
package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// limit bounds every wait; on a busy machine a start takes several times what it should.
const limit = 2 * time.Minute

// cluster is a devcluster folder that is taken down when the test ends, however it ends.
type cluster struct {
	t   *testing.T
	bin string
	dir string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	bin := os.Getenv("DEVCLUSTER_BIN")
	if bin == "" {
		t.Skip("DEVCLUSTER_BIN is not set; run `make -C devcluster test`")
	}
	c := &cluster{t: t, bin: bin, dir: filepath.Join(t.TempDir(), "cluster")}
	t.Cleanup(func() {
		if out, err := c.command("down").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return c
}

func (c *cluster) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	cmd := exec.CommandContext(ctx, c.bin, args...)
	cmd.Env = append(os.Environ(), "JOCH_DEVCLUSTER_DIR="+c.dir)
	c.t.Cleanup(cancel)
	return cmd
}

// run returns what the command printed and fails the test if the command fails.
func (c *cluster) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("devcluster %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// try returns what the command printed on stdout, and its stderr as the error.
func (c *cluster) try(args ...string) (string, error) {
	cmd := c.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), &commandError{err, stderr.String()}
	}
	return stdout.String(), nil
}

type commandError struct {
	cause  error
	stderr string
}

func (e *commandError) Error() string { return e.cause.Error() + "\n" + e.stderr }

// apply creates objects.
func (c *cluster) apply(manifest string) {
	c.t.Helper()
	cmd := c.command("kubectl", "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("apply: %v\n%s", err, out)
	}
}

// eventually waits until check says yes.
func (c *cluster) eventually(what string, check func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if check() {
			return
		}
	}
	c.t.Fatalf("never: %s", what)
}

// upKilledAfter kills up that long after its start, takes the cluster down, and looks for what is left.
func (c *cluster) upKilledAfter(delay time.Duration, args ...string) {
	c.t.Helper()
	up := c.command(args...)
	if err := up.Start(); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(delay) // the point at which it dies, not a wait for anything
	if err := up.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = up.Wait()
	c.run("down")
	if left := c.processes(); len(left) > 0 {
		c.t.Errorf("killed after %s: processes left: %q", delay, left)
	}
}

// processes are the pids of all processes whose command line names the cluster's folder.
func (c *cluster) processes() []string {
	c.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		c.t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err == nil && bytes.Contains(raw, []byte(c.dir)) {
			found = append(found, strings.ReplaceAll(string(raw), "\x00", " "))
		}
	}
	return found
}

func (c *cluster) assertGone() {
	c.t.Helper()
	if left := c.processes(); len(left) > 0 {
		c.t.Errorf("processes left: %q", left)
	}
	if _, err := os.Stat(c.dir); err == nil {
		c.t.Errorf("%s is still there", c.dir)
	}
}
