package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BusyboxName is the public name under which manifests ask for a shell.
const BusyboxName = "docker.io/library/busybox:1.35"

// Busybox writes an image from the machine's own static busybox (Debian: busybox-static).
//
// Caveat: the tag is the one that manifests name, the program is the version that is installed.
func Busybox(imageName, out string) error {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return errors.New("no busybox here; run `apt-get install busybox-static`")
	}
	return fromFolder(out, Options{Name: imageName, Cmd: []string{"sh"}}, func(root string) error {
		return fillBusybox(root, program)
	})
}

// Single writes an image that holds one static program and runs it.
func Single(imageName, program, out string) error {
	base := filepath.Base(program)
	return fromFolder(out, Options{Name: imageName, Entrypoint: []string{"/" + base}}, func(root string) error {
		return copyProgram(program, filepath.Join(root, base))
	})
}

// fromFolder packs a temporary folder that fill has filled.
func fromFolder(out string, o Options, fill func(root string) error) error {
	root, err := os.MkdirTemp(filepath.Dir(out), ".devcluster-root-")
	if err != nil {
		return fmt.Errorf("image %s: %w", o.Name, err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	if err := fill(root); err != nil {
		return fmt.Errorf("image %s: %w", o.Name, err)
	}
	return Pack(root, out, o)
}

func fillBusybox(root, program string) error {
	applets, err := exec.Command(program, "--list").Output()
	if err != nil {
		return fmt.Errorf("%s --list: %w", program, err)
	}
	for folder, mode := range map[string]os.FileMode{
		"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": os.ModeSticky | 0o777,
	} {
		path := filepath.Join(root, folder)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil { // beyond the umask
			return err
		}
	}
	if err := copyProgram(program, filepath.Join(root, "bin", "busybox")); err != nil {
		return err
	}
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			return err
		}
	}
	for file, content := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n",
		"group":  "root:x:0:\nnogroup:x:65534:\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", file), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
