// Package cli is devcluster's command line.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"joch.dev/devcluster/internal/component"
	"joch.dev/devcluster/internal/launch"
	"joch.dev/devcluster/internal/state"
)

// errQuiet makes the program fail without a message, because the output said it all.
var errQuiet = errors.New("")

// Main runs the command line args, the program's name first, and returns the exit code. The first argument may
// be the name of an embedded component, which the process then becomes.
func Main(args []string) int {
	if filepath.Base(args[0]) == "kubectl" {
		return component.Main("kubectl", args[1:])
	}
	if len(args) > 1 && args[1] != "kubectl" && component.Is(args[1]) {
		return component.Main(args[1], args[2:])
	}
	// The components' packages register flags of theirs at start, which are none of ours.
	pflag.CommandLine = pflag.NewFlagSet("devcluster", pflag.ContinueOnError)

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	root := newRoot()
	root.SetArgs(args[1:])
	return explain(root.ExecuteContext(ctx))
}

// explain prints why a command failed, in one line, after what the failing component logged.
func explain(err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errQuiet) {
		return 1
	}
	var failure *launch.Failure
	if errors.As(err, &failure) {
		for _, line := range failure.Tail {
			fmt.Fprintln(os.Stderr, "  | "+line)
		}
	}
	fmt.Fprintln(os.Stderr, "devcluster: "+strings.ReplaceAll(err.Error(), "\n", " "))
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "devcluster",
		Short: "Run a real Kubernetes on this machine",
		Long: "Run a real Kubernetes on this machine: the control plane alone, or with a node.\n" +
			"As the first argument, the name of a component runs that component: " +
			strings.Join(component.Names(), ", "),
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("no command %q; see `devcluster --help`", args[0])
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
	})
	dir := root.PersistentFlags().String("dir", "", "folder of the cluster (default $JOCH_DEVCLUSTER_DIR, or joch/devcluster in the user's state folder)")
	open := func() (state.Dir, error) {
		path := *dir
		if path == "" {
			var err error
			if path, err = state.DefaultDir(); err != nil {
				return "", err
			}
		}
		return state.Open(path)
	}
	root.AddCommand(newUp(open), newDown(open), newStatus(open), newKubectl(open, dir), newImage(open), newReap(open))
	return root
}
