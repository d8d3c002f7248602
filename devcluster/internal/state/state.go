package state

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"joch.dev/devcluster/internal/proc"
)

// InstanceEnv is the environment variable by which every process of a cluster carries the
// cluster's Instance: so also a process is found whose record was never written.
const InstanceEnv = "JOCH_DEVCLUSTER_INSTANCE"

const kind = "joch-devcluster"

// ErrNone says that the folder holds no cluster.
var ErrNone = errors.New("no cluster")

// Phase is how far a cluster has come.
type Phase string

// The phases of a cluster.
const (
	Starting Phase = "starting"
	Running  Phase = "running"
	Failed   Phase = "failed"
)

// Process is a component that was started.
type Process struct {
	proc.ID
	Name    string    `json:"name"`
	Address string    `json:"address,omitempty"`
	Started time.Time `json:"started"`
}

// Node records what `up --node` changed on the machine, written before each change.
type Node struct {
	// Created are paths outside the cluster's folder that did not exist before.
	Created []string `json:"created,omitempty"`
	// Sysctls are kernel settings as they were before.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// BinDir is where containerd and CoreDNS were found.
	BinDir string `json:"binDir"`
}

// State is the record of one cluster, kept as state.json in its folder.
type State struct {
	Kind       string    `json:"kind"`
	Instance   string    `json:"instance"`
	Phase      Phase     `json:"phase"`
	Created    time.Time `json:"created"`
	CreatedDir bool      `json:"createdDir"`
	// Boot is the machine's boot: pids and start times of another one mean nothing.
	Boot      string    `json:"boot"`
	Server    string    `json:"server,omitempty"`
	Processes []Process `json:"processes,omitempty"`
	Node      *Node     `json:"node,omitempty"`
}

// New returns the record of a cluster about to start.
func New(createdDir bool, now time.Time) (*State, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	return &State{
		Kind: kind, Instance: hex.EncodeToString(id), Phase: Starting,
		Created: now.UTC(), CreatedDir: createdDir, Boot: bootID(),
	}, nil
}

// Load reads the folder's record; ErrNone if it has none.
func (d Dir) Load() (*State, error) {
	raw, err := os.ReadFile(d.Path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNone, d)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the cluster's record: %w", err)
	}
	var s State
	if err := json.Unmarshal(raw, &s); err != nil || s.Kind != kind {
		return nil, fmt.Errorf("%s is not a devcluster record; name another folder by --dir", d.Path(stateFile))
	}
	if s.Boot != bootID() {
		s.Processes = nil
		if s.Phase == Running {
			s.Phase = Failed
		}
	}
	return &s, nil
}

// bootID is empty where the kernel does not tell, and then equal to itself.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// Save replaces the folder's record in one step: a reader sees the old or the new one.
func (d Dir) Save(s *State) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode the cluster's record: %w", err)
	}
	if err := os.WriteFile(d.Path(tempFile), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot write the cluster's record: %w", err)
	}
	if err := os.Rename(d.Path(tempFile), d.Path(stateFile)); err != nil {
		return fmt.Errorf("cannot write the cluster's record: %w", err)
	}
	return nil
}

// Alive returns the recorded processes that still run.
func (s *State) Alive() []Process {
	var alive []Process
	for _, p := range s.Processes {
		if p.Alive() {
			alive = append(alive, p)
		}
	}
	return alive
}

// Healthy reports whether the cluster came up and none of its processes has ended since.
func (s *State) Healthy() bool {
	return s.Phase == Running && len(s.Alive()) == len(s.Processes)
}
