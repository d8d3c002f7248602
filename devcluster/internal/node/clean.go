package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"joch.dev/devcluster/internal/proc"
	"joch.dev/devcluster/internal/state"
)

// Clean removes what the node left on the machine, after its daemons have ended: containers,
// mounts, control groups, the bridge, rules, sockets, settings. It does nothing if another
// cluster has the machine.
func Clean(dir state.Dir, instance string, record state.Node) error {
	if !Owns(instance) {
		return nil
	}
	if c, found := readClaim(); found {
		record = c.Node // written first, so it may know more
	}
	if err := proc.Stop(podProcesses(), 0); err != nil {
		return err
	}
	roots := []string{runDir}
	if dir != "" {
		roots = append(roots, string(dir))
	}
	if err := unmountBelow(roots...); err != nil {
		return err
	}
	for _, group := range podGroups() {
		_ = os.Remove(group) // only empty groups go, as should be
	}
	_ = exec.Command("ip", "link", "delete", bridge).Run() // fails if there is none
	for _, t := range [][2]string{{"ip", table}, {"ip", "kube-proxy"}, {"ip6", "kube-proxy"}} {
		_ = exec.Command("nft", "delete", "table", t[0], t[1]).Run() // likewise
	}
	closeForward()
	removeDeadSockets("/run/containerd/s")
	writeSysctls(record.Sysctls)
	for _, path := range append(slices.Clone(record.Created), runDir, claimFile) {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("cannot remove %s: %w", path, err)
		}
	}
	return nil
}

// podGroups are the control groups that a kubelet makes for pods, deepest first.
func podGroups() []string {
	var groups []string
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		roots, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, root := range roots {
			_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					groups = append(groups, path)
				}
				return nil // a group may vanish while we look
			})
		}
	}
	slices.Reverse(groups)
	return groups
}

// podProcesses are the processes in the pods' control groups.
func podProcesses() []proc.ID {
	var ids []proc.ID
	for _, group := range podGroups() {
		raw, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(raw)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			if id, err := proc.Of(pid); err == nil && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// unmountBelow unmounts everything under the folders, deepest first.
//
// Errors: a mount that is still in use after a few attempts is named.
func unmountBelow(roots ...string) error {
	for i, root := range roots {
		if real, err := filepath.EvalSymlinks(root); err == nil {
			roots[i] = real // the kernel lists real paths
		}
	}
	const attempts = 20
	var last error
	for range attempts {
		table, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			return fmt.Errorf("cannot list mounts: %w", err)
		}
		points := mountsBelow(string(table), roots)
		if len(points) == 0 {
			return nil
		}
		for _, point := range points {
			if err := unix.Unmount(point, unix.UMOUNT_NOFOLLOW); err != nil {
				last = fmt.Errorf("cannot unmount %s: %w", point, err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return last
}

// mountsBelow picks the mount points at or under the folders from the lines of /proc/mounts,
// the latest mounted first, which is also the deepest first.
func mountsBelow(table string, roots []string) []string {
	var points []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		point := unescape(fields[1])
		for _, root := range roots {
			if point == root || strings.HasPrefix(point, root+"/") {
				points = append(points, point)
				break
			}
		}
	}
	slices.Reverse(points)
	return points
}

// unescape undoes the octal escapes of blanks in /proc/mounts.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// removeDeadSockets removes the sockets in a folder that nobody listens on: a shim that was
// killed leaves one, and the folder is shared with every containerd of the machine.
func removeDeadSockets(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			_ = conn.Close()
			continue
		}
		if errors.Is(err, unix.ECONNREFUSED) {
			_ = os.Remove(path) // it is of no use to anyone
		}
	}
}
