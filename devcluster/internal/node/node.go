// Package node turns this machine into the cluster's one node, and back.
package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"joch.dev/devcluster/internal/launch"
	"joch.dev/devcluster/internal/state"
)

const (
	// Name is the node's name in the cluster.
	Name = "joch-node"
	// Address is the node's, on the pods' bridge: the API server, the kubelet and DNS listen here.
	Address = "10.244.0.1"

	podRange   = "10.244.0.0/24"
	bridge     = "joch0"
	table      = "joch-devcluster"
	pauseImage = "joch.dev/devcluster/pause:1"
	loopback   = "127.0.0.1"

	// runDir takes sockets and containerd's volatile state. It is short, because the path of a
	// socket may have no more than 107 characters, and fixed, because there is one node per machine.
	runDir = "/run/joch-devcluster"
	socket = runDir + "/containerd.sock"
)

// Node is a node about to start.
type Node struct {
	launcher *launch.Launcher
	program  string
	binDir   string
	cniDir   string
}

// requirement is a program of the machine and the Debian package that has it.
type requirement struct{ program, pkg string }

var requirements = []requirement{
	{"runc", "runc"}, {"nft", "nftables"}, {"ip", "iproute2"}, {"busybox", "busybox-static"},
}

// cniDirs are where Debian and others keep the network plugins.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin"}

// Preflight checks that a node can run here and changes nothing. program is the devcluster
// executable; binDir holds containerd and CoreDNS, beside program if empty.
func Preflight(l *launch.Launcher, program, binDir string) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a node needs root; run `sudo devcluster up --node`, or `devcluster up` for a control plane alone")
	}
	if binDir == "" {
		binDir = filepath.Dir(program)
	}
	binDir, err := filepath.Abs(binDir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", binDir, err)
	}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "coredns", "devcluster-pause"} {
		if _, err := os.Stat(filepath.Join(binDir, name)); err != nil {
			return nil, fmt.Errorf("no %s in %s; build it by `make -C devcluster node`, or name its folder by --bin-dir", name, binDir)
		}
	}
	extendPath(binDir)
	cniDir, err := findPackages()
	if err != nil {
		return nil, err
	}
	if err := checkMachine(l.State.Instance); err != nil {
		return nil, err
	}
	l.State.Node = &state.Node{BinDir: binDir}
	return &Node{launcher: l, program: program, binDir: binDir, cniDir: cniDir}, nil
}

// extendPath lets this process and its children find our programs first and the system's always.
func extendPath(binDir string) {
	path := strings.Join([]string{binDir, os.Getenv("PATH"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"}, ":")
	_ = os.Setenv("PATH", path) // fails only for a malformed name
}

func findPackages() (cniDir string, err error) {
	var missing []string
	for _, r := range requirements {
		if _, err := exec.LookPath(r.program); err != nil {
			missing = append(missing, r.pkg)
		}
	}
	for _, dir := range cniDirs {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			cniDir = dir
			break
		}
	}
	if cniDir == "" {
		missing = append(missing, "containernetworking-plugins")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("packages are missing; run `apt-get install -y %s`", strings.Join(missing, " "))
	}
	return cniDir, nil
}

// run executes a program and explains its failure by what it printed.
func run(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("`%s %s` failed: %s", program, strings.Join(args, " "), strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}
