// Package launch starts components as daemons, records each, and waits until it answers.
package launch

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// portAttempts bounds the repetitions after another process took a port that was just free.
const portAttempts = 5

// Spec says how to start one component.
type Spec struct {
	Name string
	// Command is the program and its arguments.
	Command []string
	// Env is added to the environment.
	Env []string
	// KeepProxy leaves HTTP_PROXY and its like in the environment; otherwise they are removed,
	// since a component talks to its own cluster only.
	KeepProxy bool
	// Address is shown to people.
	Address string
	// Ready is asked again and again until it returns nil; nil means ready at once.
	Ready func(context.Context) error
}

// Launcher starts the components of one cluster. Its methods may be used concurrently.
type Launcher struct {
	Dir      state.Dir
	State    *state.State
	Progress io.Writer

	mu sync.Mutex
}

// Failure says that a component ended or did not get ready.
type Failure struct {
	Component string
	Reason    string
	Log       string
	// Tail are the last lines of the log.
	Tail []string
}

// Error is one line that names the log.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s %s; see %s", f.Component, f.Reason, f.Log)
}

// Run starts the component that spec describes and returns once it is ready. It calls spec
// again, for other ports, if another process was faster to take one.
//
// Errors: *Failure if the component ended or was not ready before ctx ended.
func (l *Launcher) Run(ctx context.Context, spec func() (Spec, error)) error {
	for attempt := 1; ; attempt++ {
		s, err := spec()
		if err != nil {
			return err
		}
		begin := time.Now()
		failure, err := l.try(ctx, s)
		if err != nil {
			return err
		}
		if failure == nil {
			l.Report(s.Name, time.Since(begin), s.Address)
			return nil
		}
		taken := strings.Contains(strings.Join(failure.Tail, "\n"), "address already in use")
		if !taken || ctx.Err() != nil {
			return failure
		}
		if attempt == portAttempts {
			failure.Reason = fmt.Sprintf("finds %s in use; stop the program that listens there", s.Address)
			return failure
		}
	}
}

// Report prints one line of progress.
func (l *Launcher) Report(what string, took time.Duration, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("  %-26s %5.1f s  %s", what, took.Seconds(), detail)
	fmt.Fprintln(l.Progress, strings.TrimRight(line, " "))
}

func (l *Launcher) try(ctx context.Context, s Spec) (*Failure, error) {
	ended, err := l.Start(s)
	if err != nil {
		return nil, err
	}
	fail := func(reason string) (*Failure, error) {
		log := l.Dir.Log(s.Name)
		return &Failure{Component: s.Name, Reason: reason, Log: log, Tail: tail(log)}, nil
	}
	if s.Ready == nil {
		return nil, nil
	}
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.Ready(ctx)
		if err == nil {
			return nil, nil
		}
		select {
		case <-tick.C:
		case how := <-ended:
			l.forget(s.Name)
			return fail("ended (" + how + ")")
		case <-ctx.Done():
			return fail("was not ready in time (" + firstLine(err.Error()) + ")")
		}
	}
}

// Start starts the component as a daemon and records it. The channel tells how it ended, if it
// does so while this process lives.
func (l *Launcher) Start(s Spec) (<-chan string, error) {
	if err := os.MkdirAll(l.Dir.Path("logs"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the log folder: %w", err)
	}
	log, err := os.OpenFile(l.Dir.Log(s.Name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot create the log of %s: %w", s.Name, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Dir = string(l.Dir)
	cmd.Env = append(environment(s.KeepProxy), s.Env...)
	cmd.Env = append(cmd.Env, state.InstanceEnv+"="+l.State.Instance)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", s.Name, err)
	}
	ended := make(chan string, 1)
	id, idErr := proc.Of(cmd.Process.Pid)
	go func() {
		_ = cmd.Wait() // the state below says how it ended
		ended <- cmd.ProcessState.String()
	}()
	if idErr != nil {
		return ended, nil // it ended already; the channel tells
	}
	return ended, l.record(state.Process{ID: id, Name: s.Name, Address: s.Address, Started: time.Now().UTC()})
}

func (l *Launcher) record(p state.Process) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.State.Processes = append(l.State.Processes, p)
	return l.Dir.Save(l.State)
}

// forget drops an ended component, so that its next attempt takes its place.
func (l *Launcher) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.State.Processes[:0]
	for _, p := range l.State.Processes {
		if p.Name != name {
			kept = append(kept, p)
		}
	}
	l.State.Processes = kept
}

// Update changes the record under the launcher's lock and saves it.
func (l *Launcher) Update(change func(*state.State)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.State)
	return l.Dir.Save(l.State)
}

// Verify checks that no component has ended since it was ready.
func (l *Launcher) Verify() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.State.Processes {
		if !p.Alive() {
			log := l.Dir.Log(p.Name)
			return &Failure{Component: p.Name, Reason: "ended soon after it was ready", Log: log, Tail: tail(log)}
		}
	}
	return nil
}

// environment is this process's own, without what would lead a component to another cluster.
func environment(keepProxy bool) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch strings.ToUpper(name) {
		case "KUBECONFIG", "NOTIFY_SOCKET", state.InstanceEnv:
			continue
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY":
			if !keepProxy {
				continue
			}
		}
		env = append(env, v)
	}
	return env
}
