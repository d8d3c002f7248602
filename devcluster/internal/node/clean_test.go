package node

import (
	"slices"
	"testing"
)

func TestMountsBelowPicksOursDeepestFirst(t *testing.T) {
	table := `proc /proc proc rw 0 0
tmpfs /x tmpfs rw 0 0
tmpfs /x/state/a tmpfs rw 0 0
overlay /x/state/a/root\040fs overlay rw 0 0
tmpfs /x/state-of-another tmpfs rw 0 0
nsfs /run/joch/netns/1 nsfs rw 0 0
broken
`
	got := mountsBelow(table, []string{"/x/state", "/run/joch"})
	want := []string{"/run/joch/netns/1", "/x/state/a/root fs", "/x/state/a"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNodeReadyReadsTheCondition(t *testing.T) {
	for body, ready := range map[string]bool{
		`{"status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}}`: true,
		`{"status":{"conditions":[{"type":"Ready","status":"False","message":"no network"}]}}`:                    false,
		`{"status":{}}`: false,
		`not json`:      false,
	} {
		if err := nodeReady([]byte(body)); (err == nil) != ready {
			t.Errorf("%s: %v", body, err)
		}
	}
}
