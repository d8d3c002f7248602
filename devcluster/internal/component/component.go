// Package component holds the Kubernetes programs that this binary can become.
//
// Every one of them registers process-global flags, so a process runs at most one: devcluster
// starts itself again with the component's name as its first argument.
package component

import (
	"context"
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go's request metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // the build_info metric
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletcore "k8s.io/kubernetes/pkg/kubelet"
)

// ContainerLogsEnv names the folder where the kubelet links the containers' logs, instead of
// /var/log/containers: the kubelet has no flag for it.
const ContainerLogsEnv = "JOCH_DEVCLUSTER_CONTAINER_LOGS"

// Names lists the components in the order in which help shows them.
func Names() []string {
	return []string{
		"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
		"kubelet", "kube-proxy", "kubectl",
	}
}

// Is reports whether name is one of the embedded components.
func Is(name string) bool {
	for _, n := range Names() {
		if n == name {
			return true
		}
	}
	return false
}

// Main runs the component called name with args (without the program's name) and returns its
// exit code.
//
// Caveat: it rewrites os.Args, because the components read them through package flag.
func Main(name string, args []string) int {
	os.Args = append([]string{name}, args...)
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
		return 0
	case "kube-apiserver":
		return cli.Run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		return cli.Run(controllermanager.NewControllerManagerCommand())
	case "kube-scheduler":
		return cli.Run(scheduler.NewSchedulerCommand())
	case "kube-proxy":
		return cli.Run(proxy.NewProxyCommand())
	case "kubelet":
		if folder := os.Getenv(ContainerLogsEnv); folder != "" {
			kubeletcore.ContainerLogsDir = folder
		}
		return cli.Run(kubelet.NewKubeletCommand(context.Background()))
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
		return 0
	}
	fmt.Fprintf(os.Stderr, "devcluster: unknown component %q\n", name)
	return 2
}
