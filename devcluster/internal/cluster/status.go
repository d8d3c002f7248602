package cluster

import (
	"errors"
	"time"

	"joch.dev/devcluster/internal/state"
)

// Component is the state of one of a cluster's processes.
type Component struct {
	Name          string `json:"name"`
	PID           int    `json:"pid"`
	State         string `json:"state"`
	UptimeSeconds int64  `json:"uptimeSeconds"`
	Address       string `json:"address,omitempty"`
	Log           string `json:"log"`
}

// Status is the state of a whole cluster.
type Status struct {
	Dir        string      `json:"dir"`
	Phase      string      `json:"phase"`
	Running    bool        `json:"running"`
	Node       bool        `json:"node"`
	Server     string      `json:"server,omitempty"`
	Kubeconfig string      `json:"kubeconfig,omitempty"`
	Components []Component `json:"components"`
}

// Inspect tells how the cluster in dir is at the time now.
func Inspect(dir state.Dir, now time.Time) (Status, error) {
	status := Status{Dir: string(dir), Phase: "none", Components: []Component{}}
	s, err := dir.Load()
	if errors.Is(err, state.ErrNone) {
		return status, nil
	}
	if err != nil {
		return status, err
	}
	status.Phase, status.Running, status.Node = string(s.Phase), s.Healthy(), s.Node != nil
	status.Server = s.Server
	if s.Server != "" {
		status.Kubeconfig = dir.Kubeconfig()
	}
	for _, p := range s.Processes {
		c := Component{Name: p.Name, PID: p.PID, State: "ended", Address: p.Address, Log: dir.Log(p.Name)}
		if p.Alive() {
			c.State, c.UptimeSeconds = "running", int64(now.Sub(p.Started).Seconds())
		}
		status.Components = append(status.Components, c)
	}
	return status, nil
}
