package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// claimFile says which cluster has the machine's node.
const claimFile = "/run/joch-devcluster.lock"

// claim is the content of claimFile. It repeats what the cluster's own record says about the
// machine, for the case that the cluster's folder is deleted.
type claim struct {
	Dir      state.Dir  `json:"dir"`
	Instance string     `json:"instance"`
	Node     state.Node `json:"node"`
}

func readClaim() (c claim, found bool) {
	raw, err := os.ReadFile(claimFile)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return claim{}, false
	}
	return c, true
}

// Owns reports whether the machine's node may be touched on behalf of the instance: it is that
// cluster's, or nobody's.
func Owns(instance string) bool {
	c, found := readClaim()
	return !found || c.Instance == instance
}

// living reports whether the cluster that made the claim still exists.
func (c claim) living() bool {
	s, err := c.Dir.Load()
	return err == nil && s.Instance == c.Instance
}

// checkMachine finds what would collide with a node, changing nothing.
func checkMachine(instance string) error {
	if c, found := readClaim(); found && c.Instance != instance && c.living() {
		return fmt.Errorf("a machine has one node, and %s has it; run `devcluster down --dir %s` first", c.Dir, c.Dir)
	}
	if len(podProcesses()) > 0 {
		if _, found := readClaim(); !found {
			return errors.New("another kubelet runs pods on this machine; stop it first, or run `devcluster up` without --node")
		}
	}
	_, pods, err := net.ParseCIDR(podRange)
	if err != nil {
		return err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("cannot list network interfaces: %w", err)
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil || i.Name == bridge {
			continue
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && (pods.Contains(n.IP) || n.Contains(pods.IP)) {
				return fmt.Errorf("interface %s has %s, which the pods' network %s needs; remove it first", i.Name, a, podRange)
			}
		}
	}
	return nil
}

// take claims the machine for the instance and returns how the machine is before any change. A
// claim whose cluster is gone is cleaned up first.
func take(dir state.Dir, instance, binDir string) (state.Node, error) {
	for range 2 {
		node := survey(binDir)
		raw, err := json.Marshal(claim{Dir: dir, Instance: instance, Node: node})
		if err != nil {
			return state.Node{}, fmt.Errorf("cannot encode the claim: %w", err)
		}
		f, err := os.OpenFile(claimFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.Write(raw)
			return node, errors.Join(err, f.Close())
		}
		if !errors.Is(err, fs.ErrExist) {
			return state.Node{}, fmt.Errorf("cannot claim the machine: %w", err)
		}
		if err := checkMachine(instance); err != nil {
			return state.Node{}, err
		}
		if err := evict(); err != nil {
			return state.Node{}, err
		}
	}
	return state.Node{}, fmt.Errorf("cannot claim the machine; remove %s", claimFile)
}

// evict removes what a cluster left whose folder was deleted under it.
func evict() error {
	c, found := readClaim()
	if found {
		strays, err := proc.WithEnv(state.InstanceEnv, c.Instance)
		if err != nil {
			return fmt.Errorf("cannot list processes: %w", err)
		}
		if err := proc.Stop(strays, 0); err != nil {
			return err
		}
	}
	return Clean(c.Dir, c.Instance, c.Node)
}
