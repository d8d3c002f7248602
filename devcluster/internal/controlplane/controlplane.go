// Package controlplane starts etcd, the API server, the controller manager and, for a node, the
// scheduler, and writes what they and their clients need.
package controlplane

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"joch.dev/devcluster/internal/access"
	"joch.dev/devcluster/internal/launch"
	"joch.dev/devcluster/internal/pki"
	"joch.dev/devcluster/internal/state"
)

const (
	loopback = "127.0.0.1"
	// ServiceRange is the range of cluster IPs.
	ServiceRange = "10.96.0.0/16"
	// APIServiceIP is the cluster IP of the Service "kubernetes", the range's first.
	APIServiceIP = "10.96.0.1"
)

// smallControllers are those that run without a node: what Jobs, owners and namespaces need.
const smallControllers = "job-controller,garbage-collector-controller,namespace-controller," +
	"ttl-after-finished-controller,serviceaccount-controller,cronjob-controller," +
	"root-ca-certificate-publisher-controller,clusterrole-aggregation-controller"

// Plane is a control plane about to start.
type Plane struct {
	launcher *launch.Launcher
	program  string
	host     string // where the API server listens
	node     string // the node's name; empty without a node

	// CA is the cluster's authority, PEM.
	CA []byte
	// Users are the identities that the API server accepts.
	Users map[string]access.User
	// Server is the API server's URL, known once Start has returned.
	Server string
}

// Node tells the control plane about the node that will join.
type Node struct {
	Name    string
	Address string
}

// Prepare makes keys, certificates and tokens. A nil node means a control plane alone.
// program is the devcluster executable, which is every component.
func Prepare(l *launch.Launcher, ca *pki.Authority, program string, node *Node) (*Plane, error) {
	p := &Plane{launcher: l, program: program, host: loopback, CA: ca.PEM}
	addresses := []net.IP{net.ParseIP(loopback), net.ParseIP(APIServiceIP)}
	if node != nil {
		p.host, p.node = node.Address, node.Name
		addresses = append(addresses, net.ParseIP(node.Address))
	}
	var err error
	if p.Users, err = access.NewUsers(p.node); err != nil {
		return nil, err
	}
	serving, err := ca.Server("kube-apiserver", []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local",
	}, addresses)
	if err != nil {
		return nil, err
	}
	toKubelet, err := ca.Client("kube-apiserver-kubelet-client", "system:masters")
	if err != nil {
		return nil, err
	}
	signing, err := pki.SigningKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.Dir.Path("pki"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the key folder: %w", err)
	}
	for name, content := range map[string][]byte{
		"ca.crt": ca.PEM, "server.crt": serving.Cert, "server.key": serving.Key,
		"kubelet-client.crt": toKubelet.Cert, "kubelet-client.key": toKubelet.Key,
		"service-account.key": signing, "tokens.csv": access.TokenFile(p.Users),
	} {
		if err := os.WriteFile(p.key(name), content, 0o600); err != nil {
			return nil, fmt.Errorf("cannot write %s: %w", name, err)
		}
	}
	return p, nil
}

// Start starts the components one after the other and returns when the API is ready.
func (p *Plane) Start(ctx context.Context) error {
	var etcd string
	if err := p.launcher.Run(ctx, func() (s launch.Spec, err error) {
		s, etcd, err = p.etcd()
		return s, err
	}); err != nil {
		return err
	}
	if err := p.launcher.Run(ctx, func() (launch.Spec, error) { return p.apiserver(etcd) }); err != nil {
		return err
	}
	if err := p.WriteKubeconfig(p.launcher.Dir.Kubeconfig(), access.Admin); err != nil {
		return err
	}
	if err := p.launcher.Update(func(s *state.State) { s.Server = p.Server }); err != nil {
		return err
	}
	if p.node != "" {
		if err := p.launcher.Run(ctx, p.scheduler); err != nil {
			return err
		}
	}
	return p.launcher.Run(ctx, p.controllerManager)
}

// WriteKubeconfig writes a kubeconfig for one of the cluster's users.
func (p *Plane) WriteKubeconfig(path, user string) error {
	if err := os.WriteFile(path, access.Kubeconfig(p.Server, p.CA, p.Users[user]), 0o600); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// Probe checks a path of the API server as administrator.
func (p *Plane) Probe(path string) *launch.Probe {
	return &launch.Probe{URL: p.Server + path, Token: p.Users[access.Admin].Token, CA: p.CA}
}

func (p *Plane) key(name string) string { return p.launcher.Dir.Path("pki", name) }

func (p *Plane) command(component string, args ...string) []string {
	return append([]string{p.program, component}, args...)
}

func (p *Plane) etcd() (launch.Spec, string, error) {
	ports, err := launch.FreePorts(loopback, 2)
	if err != nil {
		return launch.Spec{}, "", err
	}
	client := "http://" + launch.HostPort(loopback, ports[0])
	peer := "http://" + launch.HostPort(loopback, ports[1])
	probe := &launch.Probe{URL: client + "/health"}
	return launch.Spec{
		Name: "etcd", Address: client, Ready: probe.Check,
		Command: p.command("etcd",
			"--data-dir", p.launcher.Dir.Path("etcd"), "--name", "devcluster",
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", "devcluster="+peer,
			"--unsafe-no-fsync", "--log-level", "error"),
	}, client, nil
}

func (p *Plane) apiserver(etcd string) (launch.Spec, error) {
	port, err := launch.FreePort(p.host)
	if err != nil {
		return launch.Spec{}, err
	}
	p.Server = "https://" + launch.HostPort(p.host, port)
	args := []string{
		"--etcd-servers", etcd,
		"--bind-address", p.host, "--advertise-address", p.host, "--secure-port", fmt.Sprint(port),
		"--tls-cert-file", p.key("server.crt"), "--tls-private-key-file", p.key("server.key"),
		"--client-ca-file", p.key("ca.crt"), "--token-auth-file", p.key("tokens.csv"),
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", p.key("service-account.key"),
		"--service-account-signing-key-file", p.key("service-account.key"),
		"--service-cluster-ip-range", ServiceRange, "--allow-privileged",
	}
	if p.node == "" {
		// Without the service-account plugin's wait; and 127.0.0.1 may not be an Endpoint.
		args = append(args, "--authorization-mode", "RBAC",
			"--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none")
	} else {
		args = append(args, "--authorization-mode", "Node,RBAC",
			"--enable-admission-plugins", "NodeRestriction",
			"--kubelet-preferred-address-types", "InternalIP",
			"--kubelet-certificate-authority", p.key("ca.crt"),
			"--kubelet-client-certificate", p.key("kubelet-client.crt"),
			"--kubelet-client-key", p.key("kubelet-client.key"))
	}
	return launch.Spec{
		Name: "kube-apiserver", Address: p.Server, Command: p.command("kube-apiserver", args...),
		Ready: p.Probe("/readyz").Check,
	}, nil
}

func (p *Plane) controllerManager() (launch.Spec, error) {
	controllers := "*"
	if p.node == "" {
		controllers = smallControllers
	}
	s, err := p.internal("kube-controller-manager", access.Controller,
		"--service-account-private-key-file", p.key("service-account.key"),
		"--root-ca-file", p.key("ca.crt"), "--controllers", controllers)
	// The proof that the controllers work is their first deed.
	s.Ready = all(s.Ready,
		p.Probe("/api/v1/namespaces/default/serviceaccounts/default").Check,
		p.Probe("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").Check)
	return s, err
}

func (p *Plane) scheduler() (launch.Spec, error) {
	return p.internal("kube-scheduler", access.Scheduler)
}

// internal is a component that serves only its health, on the loopback address.
func (p *Plane) internal(name, user string, args ...string) (launch.Spec, error) {
	port, err := launch.FreePort(loopback)
	if err != nil {
		return launch.Spec{}, err
	}
	kubeconfig := p.launcher.Dir.Path("pki", strings.TrimPrefix(name, "kube-")+".kubeconfig")
	if err := p.WriteKubeconfig(kubeconfig, user); err != nil {
		return launch.Spec{}, err
	}
	address := "https://" + launch.HostPort(loopback, port)
	probe := &launch.Probe{URL: address + "/healthz", CA: p.CA}
	return launch.Spec{
		Name: name, Address: address, Ready: probe.Check,
		Command: p.command(name, append([]string{
			"--kubeconfig", kubeconfig, "--leader-elect=false",
			"--bind-address", loopback, "--secure-port", fmt.Sprint(port),
			"--tls-cert-file", p.key("server.crt"), "--tls-private-key-file", p.key("server.key"),
		}, args...)...),
	}, nil
}

func all(checks ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, check := range checks {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}
