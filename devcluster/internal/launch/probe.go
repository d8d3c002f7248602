package launch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// FreePort returns a TCP port that is free on host right now.
func FreePort(host string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("no free port on %s: %w", host, err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// FreePorts returns n different free ports.
func FreePorts(host string, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		// Held until all are chosen, so that none is given twice.
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("no free port on %s: %w", host, err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// HostPort joins a host and a numeric port.
func HostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// Probe asks one HTTP endpoint whether it is well.
type Probe struct {
	URL   string
	Token string
	// CA holds the certificates to trust, PEM; nil trusts any, which is enough for an answer
	// that carries no secret.
	CA []byte
	// Accept judges the body of a good answer; nil accepts any.
	Accept func(body []byte) error

	client *http.Client
}

// Check returns nil if the endpoint answers 200 and the answer is accepted.
func (p *Probe) Check(ctx context.Context) error {
	if p.client == nil {
		p.client = newClient(p.CA)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return err
	}
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	const most = 1 << 20 // of a body, which is one object or one sentence
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", p.URL, res.Status, strings.TrimSpace(string(body)))
	}
	if p.Accept == nil {
		return nil
	}
	return p.Accept(body)
}

func newClient(ca []byte) *http.Client {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == nil {
		tlsConfig.InsecureSkipVerify = true
	} else {
		tlsConfig.RootCAs = x509.NewCertPool()
		tlsConfig.RootCAs.AppendCertsFromPEM(ca)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}}
}

// tail returns the last lines of a log, each shortened to what a terminal can show.
func tail(path string) []string {
	const lines, width, window = 8, 300, 16 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > window {
		if _, err := f.Seek(-window, io.SeekEnd); err != nil {
			return nil
		}
	}
	raw, err := io.ReadAll(io.LimitReader(f, window))
	if err != nil {
		return nil
	}
	all := strings.Split(strings.TrimSpace(string(raw)), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if len(line) > width {
			all[i] = line[:width] + "…"
		}
	}
	return all
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
