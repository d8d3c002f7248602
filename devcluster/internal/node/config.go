package node

import (
	"fmt"
	"os"
	"strings"
)

func (n *Node) containerdConfig() string {
	dir := n.launcher.Dir
	return fmt.Sprintf(`version = 3
root = %q
state = %q
disabled_plugins = [
  "io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs",
]

[grpc]
address = %q

[ttrpc]
address = %q

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = %q

[plugins."io.containerd.cri.v1.runtime"]
# Without CAP_SYS_RESOURCE, as in many containers, runc may not lower oom_score_adj.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [%q]
conf_dir = %q

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
Root = %q

[plugins."io.containerd.grpc.v1.cri"]
stream_server_address = %q
stream_server_port = "0"
`, dir.Path("containerd"), runDir+"/containerd", socket, socket+".ttrpc", pauseImage,
		n.cniDir, dir.Path("cni", "net.d"), runDir+"/runc", loopback)
}

// cniConfig leaves masquerading to a table of our own, which one command removes, and has no
// portmap plugin, whose rules outlive a killed node.
func (n *Node) cniConfig() string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "joch",
  "plugins": [{
    "type": "bridge", "bridge": %q, "isGateway": true, "hairpinMode": true,
    "ipam": {
      "type": "host-local", "dataDir": %q,
      "ranges": [[{"subnet": %q, "rangeStart": "10.244.0.10", "gateway": %q}]],
      "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
`, bridge, n.launcher.Dir.Path("cni", "networks"), podRange, Address)
}

func (n *Node) kubeletConfig(port, healthPort int) string {
	dir := n.launcher.Dir
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
port: %d
healthzBindAddress: %s
healthzPort: %d
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %q}
authorization: {mode: Webhook}
tlsCertFile: %q
tlsPrivateKeyFile: %q
clusterDomain: cluster.local
clusterDNS: [%s]
resolvConf: %q
containerRuntimeEndpoint: unix://%s
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
podLogsDir: %q
volumePluginDir: %q
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
`, Address, port, loopback, healthPort, dir.Path("pki", "ca.crt"), dir.Path("pki", "kubelet.crt"),
		dir.Path("pki", "kubelet.key"), Address, resolvConf(), socket, dir.Path("pod-logs"), dir.Path("volume-plugins"))
}

// proxyConfig masquerades all Service traffic: pods share a bridge, so an answer would
// otherwise take the short way back and miss the translation.
func (n *Node) proxyConfig(healthPort, metricsPort int) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
hostnameOverride: %s
healthzBindAddress: %s:%d
metricsBindAddress: %s:%d
clientConnection: {kubeconfig: %q}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {masqueradeAll: true}
nodePortAddresses: [primary]
`, podRange, Name, loopback, healthPort, loopback, metricsPort, n.launcher.Dir.Path("pki", "proxy.kubeconfig"))
}

// corefile has no cache: names of the cluster come from memory and must be true at once.
func (n *Node) corefile() string {
	forward := ""
	if path := resolvConf(); path != "" {
		forward = "  forward . " + path + "\n"
	}
	return fmt.Sprintf(`.:53 {
  bind %s
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig %q
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
    ttl 5
  }
%s}
`, Address, n.launcher.Dir.Path("pki", "coredns.kubeconfig"), forward)
}

// resolvConf is the machine's resolver configuration, or empty if it names no server.
func resolvConf() string {
	// The first is the real list where /etc/resolv.conf names systemd's stub on 127.0.0.53.
	for _, path := range []string{"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"} {
		raw, err := os.ReadFile(path)
		if err == nil && strings.Contains("\n"+string(raw), "\nnameserver") {
			return path
		}
	}
	return ""
}
