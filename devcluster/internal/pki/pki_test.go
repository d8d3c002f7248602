package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"
)

func TestCertificatesVerifyAgainstTheirAuthorityOnly(t *testing.T) {
	now := time.Now()
	ours, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ours.Server("server", []string{"localhost"}, []net.IP{net.ParseIP("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tls.X509KeyPair(pair.Cert, pair.Key) // also checks that key and certificate match
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, host string
		authority  *Authority
		usage      x509.ExtKeyUsage
		good       bool
	}{
		{"by name", "localhost", ours, x509.ExtKeyUsageServerAuth, true},
		{"by address", "127.0.0.1", ours, x509.ExtKeyUsageServerAuth, true},
		{"another host", "example.org", ours, x509.ExtKeyUsageServerAuth, false},
		{"another authority", "localhost", foreign, x509.ExtKeyUsageServerAuth, false},
		{"as a client", "localhost", ours, x509.ExtKeyUsageClientAuth, false},
	} {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(c.authority.PEM)
		_, err := loaded.Leaf.Verify(x509.VerifyOptions{
			DNSName: c.host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{c.usage},
		})
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestClientCertificateCarriesUserAndGroups(t *testing.T) {
	authority, err := NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Client("somebody", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	subject := loaded.Leaf.Subject
	if subject.CommonName != "somebody" || len(subject.Organization) != 1 || subject.Organization[0] != "system:masters" {
		t.Errorf("subject is %s", subject)
	}
}
