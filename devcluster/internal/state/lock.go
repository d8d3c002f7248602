package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Lock lets one devcluster command at a time change the folder; the kernel frees it when the
// command ends, however it ends.
//
// It calls waiting once if another command holds the lock, and waits until ctx ends.
//
// Errors: ErrNone if the folder does not exist.
func (d Dir) Lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	for {
		f, err := os.OpenFile(d.Path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w in %s", ErrNone, d)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot lock %s: %w; name another folder by --dir", d, err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && d.isLockFile(f) {
			return func() { _ = f.Close() }, nil
		}
		_ = f.Close()
		if err == nil {
			continue // the holder before us removed the file: lock the new one
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %s: %w", d, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another devcluster command works on %s; try again when it is done", d)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Unclaim removes an empty folder's lock file, for a folder that turned out to hold no cluster.
func (d Dir) Unclaim() { _ = os.Remove(d.Path(lockFile)) }

func (d Dir) isLockFile(f *os.File) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(d.Path(lockFile))
	return err == nil && os.SameFile(held, named)
}
