package cluster

import (
	"context"
	"io"
	"time"

	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// Reap waits for the owner to end and then takes the cluster down.
func Reap(ctx context.Context, dir state.Dir, owner proc.ID, progress io.Writer) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for owner.Alive() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return Down(context.WithoutCancel(ctx), dir, progress)
}
