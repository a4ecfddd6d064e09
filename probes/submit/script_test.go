package submit

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// The steps that most dialogues share.
var steps = map[string][]string{
	"greet":    {"S 220 scripted", "hello"},
	"hello":    {"C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250-AUTH PLAIN LOGIN\\r\\n250-SIZE 1000\\r\\n250 8BITMIME"},
	"starttls": {"S 220 scripted", "C EHLO eu-west.canary.test", "S 250-scripted\\r\\n250 STARTTLS", "C STARTTLS", "S 220 go ahead", "tls"},
	"login":    {"C AUTH PLAIN AGFnZW50MQBzZWNyZXQtYWdlbnQx", "S 235 2.7.0 welcome"},
	"envelope": {"C MAIL FROM:<agent1@provider.test> BODY=8BITMIME SIZE=57", "S 250 2.1.0 ok", "C RCPT TO:<agent2@provider.test>", "S 250 2.1.5 ok"},
	"message":  {"C DATA", "S 354 go on", "dot"},
	"quit":     {"C QUIT", "S 221 bye"},
}

// scripted is a server that plays a script once, line by line:
//
//	S text     says text (\r\n stands for a line end) and ends the line
//	C line     wants this line
//	tls        shakes hands; "tls other.test" with a certificate for that name
//	dot        reads the message with its final dot
//	sleep d    waits
//	flood      says the same line for ever
//	raw text   says text without a line end
//	close      closes the connection, at the end of each script as well
//	gone       waits until the client is gone
type scripted struct {
	ca   *mailtest.CA
	conn net.Conn
	r    *bufio.Reader
}

func (s *scripted) play(lines []string) error {
	for _, line := range lines {
		word, arg, _ := strings.Cut(line, " ")
		if more, ok := steps[line]; ok {
			if err := s.play(more); err != nil {
				return err
			}
			continue
		}
		if err := s.step(word, arg); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

func (s *scripted) step(word, arg string) error {
	switch word {
	case "S":
		_, err := io.WriteString(s.conn, strings.ReplaceAll(arg, `\r\n`, "\r\n")+"\r\n")
		return err
	case "raw":
		_, err := io.WriteString(s.conn, strings.ReplaceAll(arg, `\r\n`, "\r\n"))
		return err
	case "C":
		got, err := s.r.ReadString('\n')
		if got = strings.TrimRight(got, "\r\n"); err == nil && got != arg {
			err = fmt.Errorf("the client said %q", got)
		}
		return err
	case "tls":
		if arg == "" {
			arg = host
		}
		cert, err := s.ca.Leaf(strings.Fields(arg)...)
		if arg == "expired" {
			cert, err = s.ca.Expired(host)
		}
		if err != nil {
			return err
		}
		conn := tls.Server(s.conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		s.conn, s.r = conn, bufio.NewReader(conn)
		conn.Handshake() // what the client makes of it is the question
	case "dot":
		for {
			line, err := s.r.ReadString('\n')
			if err != nil {
				return err
			}
			if line == ".\r\n" {
				return nil
			}
		}
	case "sleep":
		d, err := time.ParseDuration(arg)
		time.Sleep(d)
		return err
	case "flood":
		for {
			if _, err := io.WriteString(s.conn, strings.Repeat(arg+"\r\n", 100)); err != nil {
				return nil
			}
		}
	case "gone":
		io.Copy(io.Discard, s.r)
	case "close":
		return s.conn.Close()
	default:
		return fmt.Errorf("no such step")
	}
	return nil
}

// serve plays a script to the first client of a listener; what went wrong in it
// is told on the channel.
func serve(n *mailtest.Network, ca *mailtest.CA, address string, lines []string) (<-chan error, error) {
	l, err := n.Listen(address)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		defer l.Close()
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		done <- playOn(conn, ca, lines)
	}()
	return done, nil
}

// playOn plays a script on a connection, and closes it.
func playOn(conn net.Conn, ca *mailtest.CA, lines []string) error {
	defer conn.Close()
	s := &scripted{ca: ca, conn: conn, r: bufio.NewReader(conn)}
	return s.play(lines)
}

// scene is one case of testdata/dialogues.txt.
type scene struct {
	name   string
	config []string
	script []string
	want   string
}

func readScenes(t *testing.T, path string) []scene {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var scenes []scene
	for block := range strings.SplitSeq("\n"+string(text), "\n# ") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		ask, want, ok := strings.Cut(block, "\n----\n")
		lines := strings.Split(ask, "\n")
		sc := scene{name: lines[0], want: strings.TrimSpace(want) + "\n"}
		for _, line := range lines[1:] {
			if c, isConfig := strings.CutPrefix(line, "config "); isConfig {
				sc.config = append(sc.config, strings.Fields(c)...)
			} else if line != "" && !strings.HasPrefix(line, "//") {
				sc.script = append(sc.script, line)
			}
		}
		if !ok {
			t.Fatalf("scene %q has no answer", sc.name)
		}
		scenes = append(scenes, sc)
	}
	return scenes
}

func (sc scene) configure(t *testing.T, cfg *Config) {
	t.Helper()
	for _, c := range sc.config {
		k, v, _ := strings.Cut(c, "=")
		switch k {
		case "tls":
			cfg.TLS = TLSMode(v)
		case "port":
			cfg.Address = host + ":" + v
		case "mechanism":
			cfg.Mechanism = v
		case "user":
			cfg.Username = v
		case "untrusting":
			cfg.TLSConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		case "clear":
			cfg.AllowPlainAuth = true
		default:
			t.Fatalf("no such setting: %s", c)
		}
	}
}

// drawn is what came out of a submission, as a page.
func drawn(res Result, e *probes.Error) string {
	var b strings.Builder
	if e == nil {
		fmt.Fprintf(&b, "accepted %s\n", res.Reply)
		if res.QueueID != "" {
			fmt.Fprintf(&b, "queued %s\n", res.QueueID)
		}
	} else {
		again := "for good"
		if e.Temporary {
			again = "try again"
		}
		fmt.Fprintf(&b, "%s, %s\n%s\n", e.Outcome, again, e)
		if e.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", e.Hint)
		}
	}
	b.WriteString("passed:")
	for _, x := range res.Timings {
		fmt.Fprintf(&b, " %s", x.Stage)
	}
	b.WriteString("\n")
	return b.String()
}

// Each scene plays a server's side of a dialogue; the answer is what the
// submission says of it.
func TestDialogues(t *testing.T) {
	for _, sc := range readScenes(t, "testdata/dialogues.txt") {
		t.Run(sc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n, ca := mailtest.NewNetwork(), newCA(t)
				cfg := Config{
					Address: host + ":25", TLS: Plain, TLSConfig: &tls.Config{RootCAs: ca.Pool()},
					Password: secret.New("secret-agent1"), From: "agent1@provider.test", To: "agent2@provider.test",
					Hello: "eu-west.canary.test", Dial: n.Dial("agent.test"), Timeout: 20 * time.Second,
				}
				sc.configure(t, &cfg)
				done, err := serve(n, ca, cfg.Address, sc.script)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				res, e := send(t, context.Background(), cfg)
				if took := time.Since(began); took > cfg.Timeout+quitGrace {
					t.Errorf("took %v", took)
				}
				if diff := cmp.Diff(sc.want, drawn(res, e)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if err := <-done; err != nil {
					t.Errorf("the server: %v", err)
				}
			})
		})
	}
}

func newCA(t *testing.T) *mailtest.CA {
	t.Helper()
	ca, err := mailtest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
