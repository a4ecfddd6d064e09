package submit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// hostileConfig submits in clear text and with a login, so that every word of the
// server's reaches us.
func hostileConfig(n *mailtest.Network) Config {
	return Config{Address: host + ":25", TLS: Plain, AllowPlainAuth: true, Username: "agent1", Password: secret.New("secret-agent1"),
		From: "agent1@provider.test", To: "agent2@provider.test", Hello: "eu-west.canary.test", Dial: n.Dial("agent.test"), Timeout: 20 * time.Second}
}

// Whatever a server does, a submission ends in time, in bounded memory, with an
// outcome, and prints nothing that it should not.
func TestHostileServers(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, h := range mailtest.HostileSMTP() {
		t.Run(h.Name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := mailtest.NewNetwork()
				l, err := n.Listen(host + ":25")
				if err != nil {
					t.Fatal(err)
				}
				defer mailtest.Serve(l, nil, h.Serve)()
				began := time.Now()
				_, e := send(t, t.Context(), hostileConfig(n))
				if took := time.Since(began); took > 20*time.Second+quitGrace {
					t.Errorf("took %v", took)
				}
				if e == nil {
					t.Fatal("accepted")
				}
				atEnd := strings.HasSuffix(h.Name, " at .") || strings.HasSuffix(h.Name, "final reply") || h.Name == "deaf after DATA" // which takes it into its buffers
				if atEnd != (e.Outcome == probes.Ambiguous) {
					t.Errorf("%s: %v", e.Outcome, e)
				}
			})
		})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}

// wordy is a server that answers each line of the client's with the next of its
// answers, whatever was said; it notes whether it got a final dot.
func wordy(conn net.Conn, answers []string, dot *bool) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	inData := false
	for _, a := range answers {
		if _, err := io.WriteString(conn, a); err != nil {
			return
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			inData = inData || line == "DATA\r\n"
			if inData && line == ".\r\n" {
				*dot = true
			}
			if !inData || line == "DATA\r\n" || line == ".\r\n" {
				break
			}
		}
	}
}

// The server's answers are the fuzzer's, one line of input each, with \r\n for
// line ends.
func FuzzServerWords(f *testing.F) {
	for _, talk := range []string{
		"220 hi\n250-x\\r\\n250 AUTH PLAIN LOGIN\n235 ok\n250 ok\n250 ok\n354 go\n250 2.0.0 queued as 1234\n221 bye",
		"220 hi\n250-x\\r\\n250 AUTH LOGIN\n334 eA==\n334 eA==\n235 ok\n250 ok\n250 ok\n354 go\n451 4.7.1 greylisted",
		"220 hi\n250-x\\r\\n250 AUTH PLAIN\n535 5.7.8 secret-agent1 AGFnZW50MQBzZWNyZXQtYWdlbnQx c2VjcmV0LWFnZW50MQ==",
		"220-a\\r\\n220 b\n500 what\n250 ok",
		"421 4.7.0 too many\\r\\n",
		"SSH-2.0", "220", "", "220 hi\n250-x\\r\\n250 AUTH PLAIN\n235 ok\n550 5.7.1 no\x00\xff\n",
		"220 hi\n250-x\\r\\n250 AUTH PLAIN\n235 ok\n250 ok\n250 ok\n354 go\n999 what",
	} {
		f.Add(talk)
	}
	f.Fuzz(func(t *testing.T, talk string) {
		var answers []string
		for a := range strings.SplitSeq(talk, "\n") {
			answers = append(answers, strings.ReplaceAll(a, `\r\n`, "\r\n")+"\r\n")
		}
		synctest.Test(t, func(t *testing.T) {
			n := mailtest.NewNetwork()
			l, err := n.Listen(host + ":25")
			if err != nil {
				t.Fatal(err)
			}
			dot, done := false, make(chan struct{})
			go func() {
				defer close(done)
				defer l.Close()
				if conn, err := l.Accept(); err == nil {
					wordy(conn, answers, &dot)
				}
			}()
			cfg := hostileConfig(n)
			began := time.Now()
			res, e := send(t, t.Context(), cfg)
			if took := time.Since(began); took > cfg.Timeout+quitGrace {
				t.Errorf("took %v", took)
			}
			<-done
			switch {
			case e == nil && !dot:
				t.Errorf("accepted without the message: %+v", res)
			case e != nil && dot && e.Outcome != probes.Ambiguous && e.Reply.Code/100 != 5:
				t.Errorf("the server has the message, and the outcome is %v: %v", e.Outcome, e)
			case e != nil && !dot && e.Outcome == probes.Ambiguous:
				t.Errorf("the server has no message, and the outcome is ambiguous: %v", e)
			}
			if page := fmt.Sprint(res.Dialogue, res.Reply, e); strings.ContainsFunc(page, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
				t.Errorf("unclean: %q", page)
			}
		})
	})
}
