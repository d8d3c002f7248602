// Package proc identifies processes by pid and start time, so that a pid which the kernel has
// given to another process is never mistaken for ours.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ID names one process for ever: its pid together with the moment it started.
type ID struct {
	PID int `json:"pid"`
	// StartTime is field 22 of /proc/PID/stat: clock ticks since the machine booted.
	StartTime uint64 `json:"startTime"`
}

// Of returns the identity of the process that has pid now.
func Of(pid int) (ID, error) {
	stat, err := readStat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, StartTime: stat.startTime}, nil
}

// Alive reports whether the process still runs. A zombie does not: it holds no port, file or
// mount, and only its parent can remove it.
func (id ID) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	stat, err := readStat(id.PID)
	return err == nil && stat.startTime == id.StartTime && stat.state != 'Z' && stat.state != 'X'
}

// WithEnv finds the living processes whose environment holds the entry "key=value", except
// this one.
//
// Caveat: processes of other users cannot be read and are left out.
func WithEnv(key, value string) ([]ID, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	want := []byte(key + "=" + value)
	var found []ID
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil {
			continue
		}
		for _, v := range bytes.Split(environ, []byte{0}) {
			if !bytes.Equal(v, want) {
				continue
			}
			if id, err := Of(pid); err == nil && id.Alive() {
				found = append(found, id)
			}
			break
		}
	}
	return found, nil
}

type stat struct {
	state     byte
	startTime uint64
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(raw))
}

// parseStat reads a line of /proc/PID/stat. The second field is the command in parentheses and
// may itself hold spaces and parentheses, so the fields are counted from the last one.
func parseStat(line string) (stat, error) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return stat{}, errors.New("no command in process status")
	}
	fields := strings.Fields(line[end+1:])
	const startTimeField = 22 - 3 // the first field after the command is number 3
	if len(fields) <= startTimeField {
		return stat{}, errors.New("process status too short")
	}
	start, err := strconv.ParseUint(fields[startTimeField], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("start time in process status: %w", err)
	}
	return stat{state: fields[0][0], startTime: start}, nil
}
