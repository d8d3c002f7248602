package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"joch.dev/devcluster/internal/image"
	"joch.dev/devcluster/internal/node"
)

func newImage(open opener) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Make container images and load them into the node, without a registry",
	}
	cmd.AddCommand(newImageLoad(open), newImagePack(), newImageBusybox())
	return cmd
}

func newImageLoad(open opener) *cobra.Command {
	return &cobra.Command{
		Use:   "load FILE…",
		Short: "Load image archives, OCI or Docker, into the node",
		Args:  some("an image archive"),
		RunE: func(cmd *cobra.Command, files []string) error {
			dir, err := open()
			if err != nil {
				return err
			}
			s, err := dir.Load()
			if err != nil || s.Node == nil || !s.Healthy() {
				return fmt.Errorf("no node runs in %s; start one by `devcluster up --node`", dir)
			}
			printed, err := node.LoadImages(cmd.Context(), s.Node.BinDir, files...)
			fmt.Print(printed)
			return err
		},
	}
}

func newImagePack() *cobra.Command {
	var o image.Options
	var root, out string
	cmd := &cobra.Command{
		Use:   "pack --name NAME:TAG --root DIR --out FILE",
		Short: "Make an OCI image archive from a folder",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.Name == "" || root == "" || out == "" {
				return errors.New("image pack needs --name, --root and --out")
			}
			return image.Pack(root, out, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Name, "name", "", "name and tag of the image")
	flags.StringVar(&root, "root", "", "folder that becomes the image's root")
	flags.StringVar(&out, "out", "", "file to write")
	flags.StringArrayVar(&o.Entrypoint, "entrypoint", nil, "program to run; repeat for its fixed arguments")
	flags.StringArrayVar(&o.Cmd, "cmd", nil, "default argument; may be repeated")
	flags.StringArrayVar(&o.Env, "env", nil, "environment variable NAME=VALUE; may be repeated")
	flags.StringVar(&o.WorkingDir, "workdir", "", "working folder")
	flags.StringVar(&o.User, "user", "", "user, or USER:GROUP")
	return cmd
}

func newImageBusybox() *cobra.Command {
	var imageName, out string
	cmd := &cobra.Command{
		Use:   "busybox --out FILE",
		Short: "Make an image of the machine's static busybox",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return errors.New("image busybox needs --out")
			}
			return image.Busybox(imageName, out)
		},
	}
	cmd.Flags().StringVar(&imageName, "name", image.BusyboxName, "name and tag of the image")
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	return cmd
}

// some wants at least one argument and says of what kind.
func some(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("name at least %s", what)
		}
		return nil
	}
}
