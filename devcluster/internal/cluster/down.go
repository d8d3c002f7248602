package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"joch.dev/devcluster/internal/node"
	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// grace is how long a component may take to end by itself. Nothing it would save is kept.
const grace = 1500 * time.Millisecond

// stopOrder lists components that others depend on last. What is not listed stops first.
var stopOrder = []string{"containerd", "kube-apiserver", "etcd"}

// Down takes the cluster in dir down and removes what it left, whatever state it is in.
func Down(ctx context.Context, dir state.Dir, progress io.Writer) error {
	begin := time.Now()
	if _, err := dir.Load(); err != nil {
		return nothingToDo(err, dir, progress)
	}
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return nothingToDo(err, dir, progress)
	}
	defer unlock()
	s, err := dir.Load()
	if err != nil {
		dir.Unclaim()
		return nothingToDo(err, dir, progress)
	}
	if err := teardown(ctx, dir, s); err != nil {
		return err
	}
	if err := dir.Clear(s.CreatedDir); err != nil {
		return err
	}
	fmt.Fprintf(progress, "down after %.1f s\n", time.Since(begin).Seconds())
	return nil
}

func nothingToDo(err error, dir state.Dir, progress io.Writer) error {
	if !errors.Is(err, state.ErrNone) {
		return err
	}
	fmt.Fprintf(progress, "nothing runs in %s\n", dir)
	return nil
}

// teardown ends every process of the cluster and undoes what was changed on the machine.
func teardown(ctx context.Context, dir state.Dir, s *state.State) error {
	if s.Node != nil && os.Geteuid() != 0 {
		return fmt.Errorf("the cluster in %s has a node; take it down as root", dir)
	}
	if err := stop(s, func(name string) bool { return !slices.Contains(stopOrder, name) }); err != nil {
		return err
	}
	if s.Node != nil && node.Owns(s.Instance) {
		node.StopPods(ctx) // best effort: what does not end by itself is killed below
	}
	for _, component := range stopOrder {
		if err := stop(s, func(name string) bool { return name == component }); err != nil {
			return err
		}
	}
	strays, err := proc.WithEnv(state.InstanceEnv, s.Instance)
	if err != nil {
		return fmt.Errorf("cannot list processes: %w", err)
	}
	if err := proc.Stop(strays, grace); err != nil {
		return err
	}
	if s.Node != nil {
		return node.Clean(dir, s.Instance, *s.Node)
	}
	return nil
}

// stop ends the recorded processes that which chooses, except this one: it may be the reaper.
func stop(s *state.State, which func(name string) bool) error {
	var ids []proc.ID
	for _, p := range s.Processes {
		if which(p.Name) && p.PID != os.Getpid() {
			ids = append(ids, p.ID)
		}
	}
	return proc.Stop(ids, grace)
}
