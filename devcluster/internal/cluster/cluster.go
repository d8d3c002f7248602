// Package cluster brings a whole cluster up, takes it down and tells how it is.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"joch.dev/devcluster/internal/controlplane"
	"joch.dev/devcluster/internal/launch"
	"joch.dev/devcluster/internal/node"
	"joch.dev/devcluster/internal/pki"
	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// reaperName is the supervisor's name among a cluster's processes.
const reaperName = "reaper"

// Options say what `up` is to build.
type Options struct {
	Node    bool
	Timeout time.Duration
	// Owner is a pid at whose end the cluster is taken down; 0 means none.
	Owner int
	// BinDir holds containerd and CoreDNS; empty means beside this program.
	BinDir string
}

// Up brings up the cluster in dir, or finds it running, and writes progress for people.
//
// Guarantees: what it starts is on record before it can matter, so that Down finds it after an
// interruption at any point. If it fails it stops what it started and keeps the logs.
func Up(ctx context.Context, dir state.Dir, o Options, progress io.Writer) error {
	begin := time.Now()
	created, err := dir.Claim()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return err
	}
	defer unlock()

	old, err := dir.Load()
	switch {
	case err == nil && old.Healthy():
		return alreadyRunning(old, o, dir, progress)
	case err == nil:
		fmt.Fprintf(progress, "removing what an earlier cluster left in %s\n", dir)
		created = old.CreatedDir
		if err := teardown(ctx, dir, old); err != nil {
			return err
		}
		if err := dir.Empty(); err != nil {
			return err
		}
	case !errors.Is(err, state.ErrNone):
		return err
	}

	s, err := state.New(created, begin)
	if err != nil {
		return err
	}
	if err := build(ctx, &launch.Launcher{Dir: dir, State: s, Progress: progress}, o); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			err = errors.New("interrupted; what was started is stopped again")
		}
		return abandon(dir, s, err)
	}
	fmt.Fprintf(progress, "ready after %.1f s\n", time.Since(begin).Seconds())
	return nil
}

func alreadyRunning(s *state.State, o Options, dir state.Dir, progress io.Writer) error {
	if o.Node && s.Node == nil {
		return fmt.Errorf("the cluster in %s runs without a node; run `devcluster down` first, or choose another --dir", dir)
	}
	fmt.Fprintf(progress, "already running in %s\n", dir)
	return nil
}

// build starts everything, in the order of dependence.
func build(ctx context.Context, l *launch.Launcher, o Options) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the devcluster executable: %w", err)
	}
	var machine *node.Node
	if o.Node {
		if machine, err = node.Preflight(l, program, o.BinDir); err != nil {
			return err
		}
	}
	if err := l.Dir.Save(l.State); err != nil {
		return err
	}
	if o.Owner != 0 {
		if err := startReaper(l, program, o.Owner); err != nil {
			return err
		}
	}
	ca, err := pki.NewAuthority(time.Now())
	if err != nil {
		return err
	}
	var member *controlplane.Node
	if machine != nil {
		if err := machine.Network(ctx); err != nil {
			return err
		}
		member = &controlplane.Node{Name: node.Name, Address: node.Address}
	}
	plane, err := controlplane.Prepare(l, ca, program, member)
	if err != nil {
		return err
	}
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error { return plane.Start(both) })
	if machine != nil {
		group.Go(func() error { return machine.Runtime(both) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if machine != nil {
		if err := machine.Join(ctx, plane, ca); err != nil {
			return err
		}
	}
	if err := l.Verify(); err != nil {
		return err
	}
	return l.Update(func(s *state.State) { s.Phase = state.Running })
}

// startReaper starts the supervisor that takes the cluster down when the owner ends.
func startReaper(l *launch.Launcher, program string, owner int) error {
	id, err := proc.Of(owner)
	if err != nil {
		return fmt.Errorf("no process %d to belong to; name a living one by --parent", owner)
	}
	_, err = l.Start(launch.Spec{
		Name: reaperName,
		Command: []string{program, "reap", "--dir", string(l.Dir),
			"--pid", fmt.Sprint(id.PID), "--start-time", fmt.Sprint(id.StartTime)},
	})
	return err
}

// abandon stops what a failed `up` has started. The logs stay, until `down` or the next `up`.
func abandon(dir state.Dir, s *state.State, cause error) error {
	if _, err := dir.Load(); err != nil {
		dir.Unclaim() // it failed before anything was started or recorded
		if s.CreatedDir {
			_ = os.Remove(string(dir)) // empty; harmless if it stays
		}
		return cause
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := teardown(ctx, dir, s); err != nil {
		return fmt.Errorf("%w (and cleaning up failed: %v)", cause, err)
	}
	s.Phase, s.Processes, s.Node = state.Failed, nil, nil
	if err := dir.Save(s); err != nil {
		return fmt.Errorf("%w (and %v)", cause, err)
	}
	return cause
}

func lock(ctx context.Context, dir state.Dir, progress io.Writer) (func(), error) {
	return dir.Lock(ctx, func() {
		fmt.Fprintf(progress, "waiting for another devcluster command on %s\n", dir)
	})
}
