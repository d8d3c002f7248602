package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"joch.dev/devcluster/internal/cluster"
	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// opener gives the cluster's folder once the flags are read.
type opener func() (state.Dir, error)

func newUp(open opener) *cobra.Command {
	var o cluster.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster and print the path of its kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := open()
			if err != nil {
				return err
			}
			if err := cluster.Up(cmd.Context(), dir, o, os.Stderr); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "next: export KUBECONFIG=%s, or `devcluster kubectl …`; `devcluster down` ends it\n", dir.Kubeconfig())
			fmt.Println(dir.Kubeconfig())
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.Node, "node", false, "with a node that runs pods (as root)")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 2*time.Minute, "give up after this time")
	cmd.Flags().IntVar(&o.Owner, "parent", 0, "take the cluster down when the process with this pid ends")
	cmd.Flags().StringVar(&o.BinDir, "bin-dir", "", "folder of containerd and coredns (default beside devcluster)")
	return cmd
}

func newDown(open opener) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the cluster and remove everything it left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := open()
			if err != nil {
				return err
			}
			return cluster.Down(cmd.Context(), dir, os.Stderr)
		},
	}
}

func newReap(open opener) *cobra.Command {
	var owner proc.ID
	cmd := &cobra.Command{
		Use:    "reap",
		Short:  "Take the cluster down when a process ends",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := open()
			if err != nil {
				return err
			}
			return cluster.Reap(cmd.Context(), dir, owner, os.Stderr)
		},
	}
	cmd.Flags().IntVar(&owner.PID, "pid", 0, "the process to wait for")
	cmd.Flags().Uint64Var(&owner.StartTime, "start-time", 0, "its start time, from /proc/PID/stat")
	return cmd
}

func newStatus(open opener) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster's components; fails unless all run",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := open()
			if err != nil {
				return err
			}
			status, err := cluster.Inspect(dir, time.Now())
			if err != nil {
				return err
			}
			if err := printStatus(status, output); err != nil {
				return err
			}
			if !status.Running {
				return errQuiet
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func printStatus(status cluster.Status, output string) error {
	switch output {
	case "json":
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(status)
	case "table":
	default:
		return fmt.Errorf("no output format %q; use table or json", output)
	}
	if len(status.Components) == 0 {
		fmt.Printf("nothing runs in %s (%s)\n", status.Dir, status.Phase)
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPID\tSTATE\tUPTIME\tADDRESS")
	for _, c := range status.Components {
		uptime := time.Duration(c.UptimeSeconds) * time.Second
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", c.Name, c.PID, c.State, uptime, c.Address)
	}
	return w.Flush()
}
