// Command native-go is examples/hello-controller as an ordinary controller of controller-runtime, for the
// benchmark: as its documentation has it, but without limits on the client's rate.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

func main() {
	// A set of its own: controller-runtime has put a flag --kubeconfig into the common one.
	flags := flag.NewFlagSet("native-go", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how it reaches the API server")
	namespace := flags.String("namespace", "", "the namespace that it looks at")
	concurrency := flags.Int("concurrency", 1, "how many objects it reconciles at once")
	flags.Parse(os.Args[1:])
	if err := run(*kubeconfig, *namespace, *concurrency); err != nil {
		fmt.Fprintln(os.Stderr, "native-go:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, namespace string, concurrency int) error {
	ctrl.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// No limit on the client's side; the server has its own.
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	if err := addToScheme(scheme); err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{namespace: {}},
			DefaultTransform:  cache.TransformStripManagedFields(),
		},
	})
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&Greeting{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.ConfigMap{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(&reconciler{Client: manager.GetClient()})
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
