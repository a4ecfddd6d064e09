package guard_test

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/probes/guard"
	"mailquorum/probes/mailtest"
)

// endless is how long, in real time, a client may be busy with an input that
// fits into one of these tests.
const endless = 20 * time.Second

// answers plays a server's side of a dialogue from a script: lines that answer a
// command wait for one, for so long.
func answers(c net.Conn, script string, answersCommand func(line string) bool) {
	r := bufio.NewReader(c)
	for line := range strings.SplitAfterSeq(script, "\n") {
		if answersCommand(line) {
			c.SetReadDeadline(time.Now().Add(time.Second))
			r.ReadString('\n')
		}
		if _, err := c.Write([]byte(line)); err != nil {
			return
		}
	}
	time.Sleep(time.Second)
}

// play lets a dialogue meet a script, in a bubble.
func play(t *testing.T, script string, answersCommand func(string) bool, talk dialogue) {
	busy := time.AfterFunc(endless, func() { panic("endless loop on a script of the server") })
	defer busy.Stop()
	synctest.Test(t, func(t *testing.T) {
		client, server := mailtest.Pipe()
		var served sync.WaitGroup
		defer served.Wait()
		served.Go(func() {
			defer server.Close()
			answers(server, script, answersCommand)
		})
		began := time.Now()
		g := guard.New(client, guard.Handshake, began.Add(wholeDialogue))
		err := talk(g, g, began.Add(wholeDialogue))
		g.Close()
		if took := time.Since(began); took > wholeDialogue+tolerance {
			t.Errorf("took %v", took)
		}
		if err == nil && g.Err() != nil {
			t.Errorf("the dialogue is well, but the guard tripped: %v", g.Err())
		}
	})
}

// FuzzIMAPBehindGuard looks for a server on which go-imap, behind its guard,
// loops, panics or does not end in time. The script is what the server sends;
// lines that begin with T or + answer a command.
func FuzzIMAPBehindGuard(f *testing.F) {
	f.Fuzz(func(t *testing.T, script string) {
		play(t, script, func(line string) bool { return line != "" && (line[0] == 'T' || line[0] == '+') }, talkIMAP)
	})
}

// FuzzSMTPBehindGuard does the same to go-smtp. Each line that ends a reply
// answers a command.
func FuzzSMTPBehindGuard(f *testing.F) {
	f.Fuzz(func(t *testing.T, script string) {
		first := true
		play(t, script, func(line string) bool {
			ends := len(line) > 3 && line[3] != '-' && !first
			first = first && len(line) > 3 && line[3] == '-'
			return ends
		}, talkSMTP(100))
	})
}
