//go:build integration

package integration

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mailquorum/probes/mailtest"
)

// startControls starts three things that are not the provider, on addresses of
// their own, and returns them with the file of the authority to be trusted.
func startControls(t testing.TB, dir string) (addresses []string, caFile string) {
	t.Helper()
	ca, err := mailtest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	for host := 2; host <= 4; host++ {
		ip := fmt.Sprintf("127.0.0.%d", host)
		cert, err := ca.Leaf(ip)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", ip+":0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = srv.ServeTLS(l, "", "") // ends with Close
		}()
		t.Cleanup(func() { srv.Close(); <-done })
		addresses = append(addresses, l.Addr().String())
	}
	caFile = filepath.Join(dir, "controls.pem")
	if err := os.WriteFile(caFile, ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	return addresses, caFile
}

// traces keeps what was exported to it over OTLP/HTTP.
type traces struct {
	*httptest.Server
	mu   sync.Mutex
	body bytes.Buffer
}

func startTraces(t testing.TB) *traces {
	t.Helper()
	tr := &traces{}
	tr.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return // the exporter tries again
		}
		tr.mu.Lock()
		defer tr.mu.Unlock()
		fmt.Fprintf(&tr.body, "%s %v\n%s\n", r.URL, r.Header, b)
	}))
	t.Cleanup(tr.Close)
	return tr
}

func (tr *traces) text() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.body.String()
}
