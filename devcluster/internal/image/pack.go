// Package image makes container images from folders, without a registry and without running
// anything in them.
package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the time of every file in an image, so that equal input makes an equal image.
var epoch = time.Unix(0, 0)

// Options describe an image.
type Options struct {
	// Name is its name with a tag; docker.io is assumed if it names no registry.
	Name       string
	Entrypoint []string
	Cmd        []string
	Env        []string
	WorkingDir string
	User       string
}

// Pack writes the folder root as a one-layer OCI image archive to out.
//
// Guarantees: files belong to root and carry no time; equal folders give equal images.
func Pack(root, out string, o Options) error {
	var layer bytes.Buffer
	if err := writeLayer(&layer, root); err != nil {
		return err
	}
	return write(layer.Bytes(), out, o)
}

// write makes an image archive from an uncompressed layer.
func write(layerTar []byte, out string, o Options) error {
	ref, err := name.NewTag(o.Name, name.WeakValidation)
	if err != nil {
		return fmt.Errorf("image name %q is not NAME:TAG: %w", o.Name, err)
	}
	img, err := build(layerTar, o)
	if err != nil {
		return fmt.Errorf("image %s: %w", o.Name, err)
	}
	// Beside the result, so that what an interrupted `up` leaves goes with the cluster's folder.
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".devcluster-image-")
	if err != nil {
		return fmt.Errorf("image %s: %w", o.Name, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	folder, err := layout.Write(tmp, empty.Index)
	if err != nil {
		return fmt.Errorf("image %s: %w", o.Name, err)
	}
	if err := folder.AppendImage(img, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          fullName(ref),
		"org.opencontainers.image.ref.name": ref.TagStr(),
	})); err != nil {
		return fmt.Errorf("image %s: %w", o.Name, err)
	}
	f, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", out, err)
	}
	err = writeLayer(f, tmp)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", out, err)
	}
	return nil
}

// fullName is the name as containerd and the kubelet write it.
func fullName(ref name.Tag) string {
	return strings.Replace(ref.Name(), "index.docker.io/", "docker.io/", 1)
}

func build(layerTar []byte, o Options) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layerTar)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		Entrypoint: o.Entrypoint, Cmd: o.Cmd, WorkingDir: o.WorkingDir, User: o.User,
		Env: append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, o.Env...),
	}
	return mutate.ConfigFile(img, config)
}

// writeLayer writes a folder's content as a tar stream, in lexical order.
func writeLayer(w io.Writer, root string) error {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a folder", root)
	}
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return addFile(tw, root, path, entry)
	})
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", root, err)
	}
	return tw.Close()
}

func addFile(tw *tar.Writer, root, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	var link string
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	} else if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file, a folder nor a link", path)
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(relative)
	if info.IsDir() {
		header.Name += "/"
	}
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.ModTime, header.AccessTime, header.ChangeTime = epoch, time.Time{}, time.Time{}
	header.Format = tar.FormatPAX
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(tw, f)
	return err
}
