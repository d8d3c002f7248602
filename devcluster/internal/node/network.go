package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"joch.dev/devcluster/internal/state"
)

// sysctls are the kernel settings that kubelet, kube-proxy and the network change.
var sysctls = []string{
	"net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "vm/overcommit_memory", "vm/panic_on_oom",
	"kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// outside are the folders beyond ours that the node's programs create whatever they are told.
var outside = []string{
	"/var/lib/kubelet", "/var/lib/cni", "/run/containerd", "/run/netns", "/run/cdi",
	"/var/run/kubernetes", "/opt/containerd", "/etc/cni",
}

// Network claims the machine, records what is to be changed on it, and makes the pods' network.
func (n *Node) Network(ctx context.Context) error {
	begin := time.Now()
	record, err := take(n.launcher.Dir, n.launcher.State.Instance, n.binDir)
	if err != nil {
		return err
	}
	if err := n.launcher.Update(func(s *state.State) { s.Node = &record }); err != nil {
		return err
	}
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return fmt.Errorf("cannot create %s: %w", runDir, err)
	}
	_ = exec.Command("ip", "link", "delete", bridge).Run() // of a machine that was not cleaned
	for _, command := range [][]string{
		{"ip", "link", "add", bridge, "type", "bridge"},
		{"ip", "address", "add", Address + "/24", "dev", bridge},
		{"ip", "link", "set", bridge, "up"},
	} {
		if err := run(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("cannot switch on forwarding: %w", err)
	}
	if err := masquerade(ctx); err != nil {
		return err
	}
	if err := openForward(ctx); err != nil {
		return err
	}
	n.launcher.Report("network", time.Since(begin), bridge+" "+podRange)
	return nil
}

// masquerade lets pods reach the world beyond the machine under the machine's address.
func masquerade(ctx context.Context) error {
	rules := fmt.Sprintf(`table ip %[1]s {}
delete table ip %[1]s
table ip %[1]s {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		ip saddr %[2]s ip daddr != %[2]s oifname != %[3]q masquerade
	}
}
`, table, podRange, bridge)
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft does not take the pods' rules: %s", strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}

// forwardRules let pods' traffic through a firewall that forwards nothing, as Docker's.
var forwardRules = [][]string{
	{"FORWARD", "-i", bridge, "-m", "comment", "--comment", table, "-j", "ACCEPT"},
	{"FORWARD", "-o", bridge, "-m", "comment", "--comment", table, "-j", "ACCEPT"},
}

func openForward(ctx context.Context) error {
	policy, err := exec.CommandContext(ctx, "iptables", "-w", "-S", "FORWARD").Output()
	if err != nil || !strings.Contains(string(policy), "-P FORWARD DROP") {
		return nil // no iptables, or nothing in the way
	}
	for _, rule := range forwardRules {
		if err := run(ctx, "iptables", append([]string{"-w", "-I"}, rule...)...); err != nil {
			return err
		}
	}
	return nil
}

func closeForward() {
	if _, err := exec.LookPath("iptables"); err != nil {
		return
	}
	for _, rule := range forwardRules {
		const most = 8 // of one rule, after as many interrupted attempts
		for range most {
			if exec.Command("iptables", append([]string{"-w", "-D"}, rule...)...).Run() != nil {
				break
			}
		}
	}
}

// survey notes how the machine is before a node changes it.
func survey(binDir string) state.Node {
	node := state.Node{BinDir: binDir, Sysctls: readSysctls()}
	for _, path := range outside {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			node.Created = append(node.Created, path)
		}
	}
	return node
}

func readSysctls() map[string]string {
	values := map[string]string{}
	for _, name := range sysctls {
		if raw, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			values[name] = strings.TrimSpace(string(raw))
		}
	}
	return values
}

// writeSysctls restores settings. Best effort: a setting may have become read-only or vanished.
func writeSysctls(values map[string]string) {
	for name, value := range values {
		path := filepath.Join("/proc/sys", name)
		now, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(now)) != value {
			_ = os.WriteFile(path, []byte(value), 0o644)
		}
	}
}
