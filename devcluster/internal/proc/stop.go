package proc

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// killWait bounds the wait for a killed process: one in uninterruptible I/O may take a moment.
const killWait = 10 * time.Second

// Stop ends the processes together: SIGTERM, and SIGKILL for those that are still there after
// grace. It returns once all are gone, because a process keeps its port until then.
//
// Errors: a process that outlives SIGKILL for ten seconds is named.
func Stop(ids []ID, grace time.Duration) error {
	signal(ids, syscall.SIGTERM)
	left := waitGone(ids, grace)
	signal(left, syscall.SIGKILL)
	left = waitGone(left, killWait)
	if len(left) > 0 {
		return fmt.Errorf("process %d does not end, not even by SIGKILL", left[0].PID)
	}
	return nil
}

// signal sends sig to each process that is still the one it was. os.FindProcess holds a pidfd,
// so the pid cannot change hands between the check and the signal.
func signal(ids []ID, sig syscall.Signal) {
	for _, id := range ids {
		p, err := os.FindProcess(id.PID)
		if err != nil {
			continue
		}
		if id.Alive() {
			_ = p.Signal(sig) // fails only if it ended meanwhile, which waitGone sees
		}
		_ = p.Release()
	}
}

func waitGone(ids []ID, limit time.Duration) []ID {
	deadline := time.Now().Add(limit)
	for {
		var left []ID
		for _, id := range ids {
			if id.Alive() {
				left = append(left, id)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(20 * time.Millisecond)
	}
}
