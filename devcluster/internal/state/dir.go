// Package state is the folder of one cluster: where its files lie, and the record from which
// everything that was started can be found and ended again.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	stateFile = "state.json"
	tempFile  = ".state.json.new"
	lockFile  = ".lock"
)

// Dir is the absolute path of a cluster's folder.
type Dir string

// DefaultDir is the folder that is used when none is named: $JOCH_DEVCLUSTER_DIR, or
// joch/devcluster under $XDG_STATE_HOME or ~/.local/state.
func DefaultDir() (string, error) {
	if dir := os.Getenv("JOCH_DEVCLUSTER_DIR"); dir != "" {
		return dir, nil
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("HOME is not set; name a folder by --dir")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "joch", "devcluster"), nil
}

// Open makes path absolute. The folder need not exist.
func Open(path string) (Dir, error) {
	if path == "" {
		return "", errors.New("the folder's name is empty; name one by --dir")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("folder %s: %w", path, err)
	}
	return Dir(abs), nil
}

// Path joins parts to the folder.
func (d Dir) Path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

// Kubeconfig is the administrator's kubeconfig.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// Log is the file that takes a component's output.
func (d Dir) Log(component string) string { return d.Path("logs", component+".log") }

// Claim makes the folder ready to hold a cluster and reports whether it was created.
//
// Errors: a folder that holds files but no record of ours belongs to somebody else.
func (d Dir) Claim() (created bool, err error) {
	entries, err := os.ReadDir(string(d))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(string(d), 0o700); err != nil {
			return false, fmt.Errorf("cannot create %s: %w; name another folder by --dir", d, err)
		}
		return true, nil
	case err != nil:
		return false, fmt.Errorf("cannot use %s: %w; name another folder by --dir", d, err)
	}
	for _, entry := range entries {
		if entry.Name() == stateFile {
			return false, nil
		}
	}
	for _, entry := range entries {
		if entry.Name() != lockFile && entry.Name() != tempFile {
			return false, fmt.Errorf("%s holds files that are not devcluster's; name an empty folder by --dir", d)
		}
	}
	return false, nil
}

// Empty removes everything in the folder but its record and its lock.
//
// Guarantees: nothing is touched unless the folder holds a record of ours.
func (d Dir) Empty() error {
	if _, err := d.Load(); err != nil {
		return err
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", d, err)
	}
	for _, entry := range entries {
		if entry.Name() == stateFile || entry.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(d.Path(entry.Name())); err != nil {
			return fmt.Errorf("cannot remove %s: %w", d.Path(entry.Name()), err)
		}
	}
	return nil
}

// Clear empties the folder and removes it too if removeDir says so. The record goes last, so
// that an interrupted Clear can be repeated.
func (d Dir) Clear(removeDir bool) error {
	if err := d.Empty(); err != nil {
		return err
	}
	for _, name := range []string{stateFile, lockFile} {
		if err := os.Remove(d.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove %s: %w", d.Path(name), err)
		}
	}
	if removeDir {
		_ = os.Remove(string(d)) // not ours to insist on: it may be a mount point or in use
	}
	return nil
}
