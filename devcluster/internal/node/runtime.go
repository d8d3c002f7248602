package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	cri "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"

	"joch.dev/devcluster/internal/image"
	"joch.dev/devcluster/internal/launch"
)

// stopPodsWait bounds how long pods may take to be taken apart in order.
const stopPodsWait = 10 * time.Second

// Runtime starts containerd and gives it the images that cannot be pulled.
func (n *Node) Runtime(ctx context.Context) error {
	dir := n.launcher.Dir
	if err := os.MkdirAll(dir.Path("cni", "net.d"), 0o700); err != nil {
		return fmt.Errorf("cannot create the network folder: %w", err)
	}
	config := dir.Path("containerd.toml")
	for path, content := range map[string]string{
		config: n.containerdConfig(),
		dir.Path("cni", "net.d", "joch.conflist"): n.cniConfig(),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
	}
	err := n.launcher.Run(ctx, func() (launch.Spec, error) {
		return launch.Spec{
			Name: "containerd", Address: "unix://" + socket, KeepProxy: true,
			Command: []string{filepath.Join(n.binDir, "containerd"), "--config", config, "--log-level", "warn"},
			Ready:   runtimeReady,
		}, nil
	})
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := n.loadOwnImages(ctx); err != nil {
		return err
	}
	n.launcher.Report("images", time.Since(begin), image.BusyboxName)
	return nil
}

// LoadImages imports image archives, OCI or Docker, into the node's runtime and returns what
// the import printed.
func LoadImages(ctx context.Context, binDir string, files ...string) (string, error) {
	var out strings.Builder
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("no image archive %s", file)
		}
		printed, err := exec.CommandContext(ctx, filepath.Join(binDir, "ctr"),
			"--address", socket, "--namespace", "k8s.io", "images", "import", "--local", file).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("cannot load %s: %s", file, strings.Join(strings.Fields(string(printed)), " "))
		}
		out.Write(printed)
	}
	return out.String(), nil
}

func (n *Node) loadOwnImages(ctx context.Context) error {
	pause, busybox := n.launcher.Dir.Path("pause.tar"), n.launcher.Dir.Path("busybox.tar")
	if err := image.Single(pauseImage, filepath.Join(n.binDir, "devcluster-pause"), pause); err != nil {
		return err
	}
	if err := image.Busybox(image.BusyboxName, busybox); err != nil {
		return err
	}
	_, err := LoadImages(ctx, n.binDir, pause, busybox)
	return err
}

func runtimeReady(ctx context.Context) error {
	service, err := dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = service.Close(ctx) }()
	status, err := service.Status(ctx, false)
	if err != nil {
		return err
	}
	for _, c := range status.GetStatus().GetConditions() {
		if c.GetType() == runtimeapi.RuntimeReady && !c.GetStatus() {
			return errors.New(c.GetMessage())
		}
	}
	return nil
}

func dial(ctx context.Context) (cri.RuntimeService, error) {
	if _, err := os.Stat(socket); err != nil {
		return nil, err
	}
	return criclient.NewRemoteRuntimeService(ctx, "unix://"+socket, stopPodsWait, nil, false)
}

// StopPods takes the pods apart in order, networks included, while containerd still runs. Best
// effort: Clean removes by force what is left.
func StopPods(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopPodsWait)
	defer cancel()
	service, err := dial(ctx)
	if err != nil {
		return
	}
	defer func() { _ = service.Close(ctx) }()
	pods, err := service.ListPodSandbox(ctx, nil)
	if err != nil {
		return
	}
	var wait sync.WaitGroup
	for _, pod := range pods {
		wait.Go(func() {
			if service.StopPodSandbox(ctx, pod.GetId()) == nil {
				_ = service.RemovePodSandbox(ctx, pod.GetId())
			}
		})
	}
	wait.Wait()
}
