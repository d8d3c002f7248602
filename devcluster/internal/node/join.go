package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"joch.dev/devcluster/internal/access"
	"joch.dev/devcluster/internal/component"
	"joch.dev/devcluster/internal/controlplane"
	"joch.dev/devcluster/internal/launch"
	"joch.dev/devcluster/internal/pki"
)

// longestRoot is the longest kubelet folder whose sockets' paths the kernel still takes: 107
// characters, less the kubelet's own "/pod-resources/kubelet.sock" and a margin.
const longestRoot = 107 - 40

const dnsAddress = Address + ":53"

// Join starts kubelet, kube-proxy and CoreDNS and returns when the node is ready.
func (n *Node) Join(ctx context.Context, plane *controlplane.Plane, ca *pki.Authority) error {
	dir := n.launcher.Dir
	serving, err := ca.Server(Name, []string{Name}, []net.IP{net.ParseIP(Address)})
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"kubelet.crt": serving.Cert, "kubelet.key": serving.Key} {
		if err := os.WriteFile(dir.Path("pki", name), content, 0o600); err != nil {
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
	}
	for name, user := range map[string]string{
		"kubelet": access.NodeUser(Name), "proxy": access.Proxy, "coredns": access.DNS,
	} {
		if err := plane.WriteKubeconfig(dir.Path("pki", name+".kubeconfig"), user); err != nil {
			return err
		}
	}
	root, err := n.kubeletRoot()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return n.launcher.Run(ctx, func() (launch.Spec, error) { return n.kubelet(plane, root) })
	})
	group.Go(func() error { return n.launcher.Run(ctx, n.proxy) })
	group.Go(func() error { return n.launcher.Run(ctx, n.coredns) })
	return group.Wait()
}

// kubeletRoot is the kubelet's folder, by a short name if the cluster's folder has a long one.
func (n *Node) kubeletRoot() (string, error) {
	root := n.launcher.Dir.Path("kubelet")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", fmt.Errorf("cannot create the kubelet's folder: %w", err)
	}
	if len(root) <= longestRoot {
		return root, nil
	}
	short := filepath.Join(runDir, "kubelet")
	if err := os.Symlink(root, short); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("cannot create the kubelet's folder: %w", err)
	}
	return short, nil
}

func (n *Node) kubelet(plane *controlplane.Plane, root string) (launch.Spec, error) {
	port, err := launch.FreePort(Address)
	if err != nil {
		return launch.Spec{}, err
	}
	health, err := launch.FreePort(loopback)
	if err != nil {
		return launch.Spec{}, err
	}
	config, err := n.write("kubelet.yaml", n.kubeletConfig(port, health))
	if err != nil {
		return launch.Spec{}, err
	}
	probe := plane.Probe("/api/v1/nodes/" + Name)
	probe.Accept = nodeReady
	dir := n.launcher.Dir
	return launch.Spec{
		Name: "kubelet", Address: "https://" + launch.HostPort(Address, port), Ready: probe.Check,
		Env: []string{component.ContainerLogsEnv + "=" + dir.Path("container-logs")},
		Command: []string{n.program, "kubelet", "--config", config,
			"--kubeconfig", dir.Path("pki", "kubelet.kubeconfig"),
			"--root-dir", root, "--cert-dir", dir.Path("pki"),
			"--hostname-override", Name, "--node-ip", Address},
	}, nil
}

func (n *Node) proxy() (launch.Spec, error) {
	ports, err := launch.FreePorts(loopback, 2)
	if err != nil {
		return launch.Spec{}, err
	}
	config, err := n.write("kube-proxy.yaml", n.proxyConfig(ports[0], ports[1]))
	if err != nil {
		return launch.Spec{}, err
	}
	address := "http://" + launch.HostPort(loopback, ports[0])
	probe := &launch.Probe{URL: address + "/livez"}
	return launch.Spec{
		Name: "kube-proxy", Address: address, Ready: probe.Check,
		Command: []string{n.program, "kube-proxy", "--config", config},
	}, nil
}

func (n *Node) coredns() (launch.Spec, error) {
	config, err := n.write("Corefile", n.corefile())
	if err != nil {
		return launch.Spec{}, err
	}
	return launch.Spec{
		Name: "coredns", Address: dnsAddress, Ready: resolves,
		Command: []string{filepath.Join(n.binDir, "coredns"), "-conf", config},
	}, nil
}

// resolves asks the node's DNS for the one name that every cluster has.
func resolves(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, dnsAddress)
	}}
	found, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err != nil {
		return err
	}
	if !slices.Contains(found, controlplane.APIServiceIP) {
		return fmt.Errorf("another DNS server answers at %s", dnsAddress)
	}
	return nil
}

func (n *Node) write(name, content string) (string, error) {
	path := n.launcher.Dir.Path(name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("cannot write %s: %w", path, err)
	}
	return path, nil
}

// nodeReady accepts a Node object whose condition Ready is true.
func nodeReady(body []byte) error {
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return err
	}
	for _, c := range object.Status.Conditions {
		if c.Type == "Ready" {
			if c.Status == "True" {
				return nil
			}
			return errors.New(c.Message)
		}
	}
	return errors.New("the node has not reported yet")
}
