package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func newDir(t *testing.T) Dir {
	t.Helper()
	dir, err := Open(filepath.Join(t.TempDir(), "cluster"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadersSeeAWholeRecordWhileItIsReplaced(t *testing.T) {
	dir := newDir(t)
	if _, err := dir.Claim(); err != nil {
		t.Fatal(err)
	}
	s, err := New(true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Save(s); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 300 {
			s.Processes = append(s.Processes, Process{Name: "p", Address: "x"})
			if i%50 == 0 {
				s.Processes = nil // the record also gets shorter
			}
			if err := dir.Save(s); err != nil {
				t.Error(err)
			}
		}
	})
	for range 300 {
		if got, err := dir.Load(); err != nil || got.Instance != s.Instance {
			t.Fatalf("half a record: %v", err)
		}
	}
	writer.Wait()
}

func TestAForeignFolderIsRefusedAndKept(t *testing.T) {
	dir := newDir(t)
	precious := dir.Path("thesis.txt")
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Claim(); err == nil {
		t.Error("a folder with files of others was claimed")
	}
	if err := dir.Clear(true); !errors.Is(err, ErrNone) {
		t.Errorf("clearing a foreign folder: %v", err)
	}
	if err := os.WriteFile(dir.Path(stateFile), []byte(`{"kind":"something else"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.Clear(true); err == nil {
		t.Error("a folder with another program's state.json was cleared")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error("a file of others is gone")
	}
}

func TestARecordOfAnotherBootNamesNoProcess(t *testing.T) {
	dir := newDir(t)
	if _, err := dir.Claim(); err != nil {
		t.Fatal(err)
	}
	s, err := New(true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.Boot, s.Phase, s.Processes = "earlier", Running, []Process{{Name: "etcd"}}
	if err := dir.Save(s); err != nil {
		t.Fatal(err)
	}
	got, err := dir.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Processes) != 0 || got.Healthy() {
		t.Errorf("got %+v", got)
	}
}

func TestTheLockIsExclusiveAndSurvivesRemovalOfItsFile(t *testing.T) {
	dir := newDir(t)
	if _, err := dir.Claim(); err != nil {
		t.Fatal(err)
	}
	unlock, err := dir.Lock(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := dir.Lock(ended, nil); err == nil {
		t.Fatal("locked twice")
	}
	waiting, got := make(chan struct{}), make(chan error)
	go func() {
		again, err := dir.Lock(context.Background(), func() { close(waiting) })
		if err == nil {
			again()
		}
		got <- err
	}()
	<-waiting
	dir.Unclaim() // as `down` does at its end
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
}
