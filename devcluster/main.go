// Devcluster runs a real Kubernetes on one machine. One executable is the command line and every
// component: it starts itself again under the component's name.
package main

import (
	"os"

	"joch.dev/devcluster/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
