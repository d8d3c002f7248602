package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func pack(t *testing.T, imageName string) []byte {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "program"), []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("program", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := Pack(root, out, Options{Name: imageName, Entrypoint: []string{"/program"}}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEqualFoldersGiveEqualImages(t *testing.T) {
	if !bytes.Equal(pack(t, "example.org/app:1"), pack(t, "example.org/app:1")) {
		t.Error("the archives differ")
	}
}

func TestTheArchiveNamesTheImageAsTheNodeDoes(t *testing.T) {
	for given, want := range map[string]string{
		"busybox:1.37":                   "docker.io/library/busybox:1.37",
		"docker.io/library/busybox:1.37": "docker.io/library/busybox:1.37",
		"joch.dev/worker:dev":            "joch.dev/worker:dev",
	} {
		if got := archiveName(t, pack(t, given)); got != want {
			t.Errorf("%s became %s", given, got)
		}
	}
}

func archiveName(t *testing.T, archive []byte) string {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			t.Fatal("no index.json in the archive")
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != "index.json" {
			continue
		}
		var index struct {
			Manifests []struct{ Annotations map[string]string }
		}
		if err := json.NewDecoder(r).Decode(&index); err != nil || len(index.Manifests) != 1 {
			t.Fatalf("index.json: %v, %+v", err, index)
		}
		return index.Manifests[0].Annotations["io.containerd.image.name"]
	}
}
