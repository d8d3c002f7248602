// Package access holds who may talk to the API server and how: bearer tokens and kubeconfigs.
package access

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// User is one identity with its bearer token.
type User struct {
	Name  string
	Group string
	Token string
}

// The identities of a cluster's own parts.
const (
	Admin      = "joch-admin"
	Controller = "joch-controller-manager"
	DNS        = "joch-dns"
	Scheduler  = "system:kube-scheduler"
	Proxy      = "system:kube-proxy"
)

// NodeUser is the identity of the kubelet on the node.
func NodeUser(node string) string { return "system:node:" + node }

// NewUsers gives each identity a new random token. Controller manager and DNS share the
// administrator's rights, because the roles that a cluster gives them are made by installers.
func NewUsers(node string) (map[string]User, error) {
	users := map[string]User{
		Admin:      {Group: "system:masters"},
		Controller: {Group: "system:masters"},
		DNS:        {Group: "system:masters"},
		Scheduler:  {},
		Proxy:      {},
	}
	if node != "" {
		users[NodeUser(node)] = User{Group: "system:nodes"}
	}
	for name, user := range users {
		token := make([]byte, 24)
		if _, err := rand.Read(token); err != nil {
			return nil, fmt.Errorf("random numbers: %w", err)
		}
		user.Name, user.Token = name, hex.EncodeToString(token)
		users[name] = user
	}
	return users, nil
}

// TokenFile is the content for the API server's --token-auth-file.
func TokenFile(users map[string]User) []byte {
	var b strings.Builder
	for _, u := range users {
		fmt.Fprintf(&b, "%s,%s,%s,%q\n", u.Token, u.Name, u.Name, u.Group)
	}
	return []byte(b.String())
}

// Kubeconfig is a kubeconfig file by which user reaches server.
func Kubeconfig(server string, ca []byte, user User) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: devcluster
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    token: %s
contexts:
- name: devcluster
  context:
    cluster: devcluster
    user: %s
current-context: devcluster
`, server, base64.StdEncoding.EncodeToString(ca), user.Name, user.Token, user.Name)
}
