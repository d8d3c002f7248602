package proc

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestParseStatCountsFieldsFromTheLastParenthesis(t *testing.T) {
	tail := " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"
	for _, c := range []struct {
		name, line string
		want       stat
		bad        bool
	}{
		{name: "plain", line: "17 (etcd) S" + tail, want: stat{'S', 4242}},
		{name: "blanks and parentheses", line: "17 (a) Z (b c) R" + tail, want: stat{'R', 4242}},
		{name: "short", line: "17 (etcd) S 1 2", bad: true},
		{name: "no command", line: "17 etcd S" + tail, bad: true},
		{name: "no number", line: "17 (e) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x", bad: true},
	} {
		got, err := parseStat(c.line)
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("%s: got %v, %v", c.name, got, err)
		}
	}
}

func TestAReusedPidIsNotTheSameProcess(t *testing.T) {
	id, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !id.Alive() {
		t.Error("this process does not seem to live")
	}
	other := id
	other.StartTime++
	if other.Alive() {
		t.Error("a process with another start time counts as ours")
	}
	if err := Stop([]ID{other}, 0); err != nil { // would end this test if it hit us
		t.Error(err)
	}
}

func TestStopEscalatesForAProcessThatIgnoresTerm(t *testing.T) {
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "JOCH_TEST=unlikely-7f3a"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 6)); err != nil { // the trap is set
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	found, err := WithEnv("JOCH_TEST", "unlikely-7f3a")
	if err != nil || !slices.Contains(found, id) {
		t.Errorf("not found by its environment: %v, %v", found, err)
	}
	if err := Stop([]ID{id}, 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	if id.Alive() {
		t.Error("still alive after Stop")
	}
}
