package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"joch.dev/devcluster/internal/component"
)

func newKubectl(open opener, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl [--dir DIR] …",
		Short:              "Run kubectl against the cluster",
		DisableFlagParsing: true, // all but a leading --dir are kubectl's
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) >= 2 && args[0] == "--dir" {
				*dir, args = args[1], args[2:]
			} else if len(args) > 0 && strings.HasPrefix(args[0], "--dir=") {
				*dir, args = strings.TrimPrefix(args[0], "--dir="), args[1:]
			}
			folder, err := open()
			if err != nil {
				return err
			}
			kubeconfig := folder.Kubeconfig()
			if _, err := os.Stat(kubeconfig); err != nil {
				return fmt.Errorf("no cluster in %s; start one by `devcluster up`", folder)
			}
			if err := os.Setenv("KUBECONFIG", kubeconfig); err != nil {
				return fmt.Errorf("cannot set KUBECONFIG: %w", err)
			}
			os.Exit(component.Main("kubectl", args))
			return nil
		},
	}
}
