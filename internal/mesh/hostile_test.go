package mesh

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// peak samples how much memory is in use until the function it returns is
// called, which gives the most there was beyond the beginning, in bytes.
func peak() func() uint64 {
	use := func() uint64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapInuse + s.StackInuse
	}
	runtime.GC()
	first, most := use(), uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-time.After(5 * time.Millisecond):
				most = max(most, use())
			case <-stop:
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return max(most, first) - first
	}
}

// A hundred strangers at once, of every kind that does not need a key, while two
// peers go on talking (threats: 64 MiB at most).
func TestHundredHostileConnections(t *testing.T) {
	c := newCluster(t, 2, 0)
	var listeners []net.Listener
	for i := range c.peers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners, c.peers[i].Address = append(listeners, l), l.Addr().String()
	}
	target := c.peers[0].Address
	most := peak()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			for ctx.Err() == nil {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", target)
				if err != nil {
					return
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				harass(conn, i%5)
				stop()
				conn.Close()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	for i, p := range c.peers { // in the midst of it
		n := &node{name: p.Name, have: map[string]bool{}}
		cfg := c.config(p.Name, n, listeners[i])
		cfg.Dial = nil
		m, err := Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		n.Mesh, c.nodes[p.Name] = m, n
	}
	c.within(20*time.Second, "the peers find each other", func() bool { return c.whole(2) })
	for i := range 10 {
		msg := strings.Repeat("m", i+1)
		c.nodes["b"].say(msg)
		c.within(20*time.Second, "messages pass", func() bool { return c.all(msg) })
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	time.Sleep(100 * time.Millisecond)
	grown, s := most(), c.nodes["a"].Stats()
	t.Logf("%d MiB at most, %d strangers", grown>>20, s.Strangers)
	if grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if s.Strangers < 100 {
		t.Errorf("%d strangers counted", s.Strangers)
	}
}

// harass does what strangers do, until the connection ends.
func harass(conn net.Conn, kind int) {
	write := func(b []byte) bool { _, err := conn.Write(b); return err == nil }
	switch kind {
	case 0: // says nothing
		io.Copy(io.Discard, conn)
	case 1: // a byte now and then, of a record that is to be 16 KiB long
		for write([]byte{22, 3, 1, 64, 0}) {
			time.Sleep(20 * time.Millisecond)
		}
	case 2: // a flood of anything
		for b := make([]byte, 64<<10); write(b); {
		}
	case 3: // a ClientHello announced as 16 MiB, in full records
		record := append([]byte{22, 3, 1, 64, 0, 1, 255, 255, 255}, make([]byte, 16384-4)...)
		for write(record) {
			record = append(record[:5], make([]byte, 16384)...)
		}
	case 4: // a fine handshake with a key of its own, then a flood
		key := testKey("stranger")
		cert, err := certificate("b", key)
		pool, err2 := pin(testKey("a").Public().(ed25519.PublicKey))
		if err != nil || err2 != nil {
			return
		}
		tc := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: hostName("a"), Time: checkedAt,
			NextProtos: []string{protoFrames}, Certificates: []tls.Certificate{cert}})
		if tc.Handshake() != nil {
			return
		}
		for b := make([]byte, 16<<10); ; {
			if _, err := tc.Write(b); err != nil {
				return
			}
		}
	}
}

// Handshakes that never end are ended, and take no place away from peers.
func TestSlowHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 40*time.Millisecond)
		a := c.start("a")
		defer c.stop()
		dial := c.net.dial("stranger", nil)
		var open sync.WaitGroup
		for range 200 {
			conn, err := dial(context.Background(), "tcp", "a:7946")
			if err != nil {
				t.Fatal(err)
			}
			open.Go(func() { io.Copy(io.Discard, conn) }) // ends when a hangs up
		}
		c.start("b")
		c.start("c")
		c.within(3*time.Second, "peers come through", func() bool { return c.whole(3) })
		began := time.Now()
		open.Wait()
		if d := time.Since(began); d > handshakeTimeout {
			t.Errorf("a slow handshake lasted %v", d)
		}
		if s := a.Stats(); s.Strangers != 200 {
			t.Errorf("%d strangers counted", s.Strangers)
		}
	})
}

// A compromised peer has a key, so it gets further: it may cost no more than its
// share of memory, and none of the others' messages.
func TestHostilePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, time.Millisecond).startAll()
		defer c.stop()
		c.within(3*time.Second, "three members everywhere", func() bool { return c.whole(3) })
		bad := c.nodes["c"]
		a := bad.byAddr[virtualAddress("a")]
		most := peak()

		t.Log("streams that announce more than they hold")
		for _, first := range [][]byte{
			header(1<<20, 0), header(0, 20<<20), header(-1, 0), header(0, -5),
			{mlPushPull}, {9}, {10}, {8}, {244, 1, 'x'}, append([]byte{mlPushPull}, 0xdf, 0xff, 0xff, 0xff, 0xff),
			append(header(1, 0), 0x81, 0xa4, 'N', 'a', 'm', 'e', 0xdb, 0x7f, 0xff, 0xff, 0xff),
			append(header(1, 0), 0x81, 0xa4, 'A', 'd', 'd', 'r', 0xc6, 0x7f, 0xff, 0xff, 0xff),
		} {
			for range 3 {
				conn, err := bad.dial(t.Context(), a, protoStream)
				if err != nil {
					t.Fatal(err)
				}
				conn.Write(first)
				conn.SetReadDeadline(time.Now().Add(time.Second))
				io.Copy(io.Discard, conn)
				conn.NetConn().Close()
			}
		}
		t.Log("packets of every type, broken")
		for _, kind := range []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 244, 255} {
			for _, rest := range []string{"", "\x00", "\xff", "\x81\xa4Node\xdb\x7f\xff\xff\xff", "\xff\x00\x00\x00\x00", "\x81\xa7Payload\xc6\xff\xff\xff\xff", strings.Repeat("\x91", 1900)} {
				a.link.send(frame{kindPacket, append([]byte{kind}, rest...)})
				a.link.send(frame{kindPacket, append([]byte{mlCompound, 1, 0, byte(1 + len(rest)), kind}, rest...)})
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Log("frames of every kind, broken and too large")
		for kind := range uint32(9) {
			conn, err := bad.dial(t.Context(), a, protoFrames)
			if err != nil {
				t.Fatal(err)
			}
			conn.Write(binary.BigEndian.AppendUint32(nil, kind<<24|0xffffff))
			conn.SetReadDeadline(time.Now().Add(time.Second))
			io.Copy(io.Discard, conn)
			conn.NetConn().Close()
		}
		if grown := most(); grown > 64<<20 {
			t.Errorf("memory grew by %d MiB", grown>>20)
		} else {
			t.Logf("%d MiB at most", grown>>20)
		}
		t.Log("more messages than anyone can read")
		c.within(10*time.Second, "the link is up again", func() bool { return bad.Stats().Links == 2 })
		for i := range 6000 {
			bad.Send(binary.BigEndian.AppendUint64(make([]byte, 1<<10), uint64(i)))
			if i%200 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		c.nodes["b"].say("heard all the same")
		c.within(time.Second, "others are heard", func() bool { return c.nodes["a"].has("heard all the same") })
		got := 0
		c.nodes["a"].mu.Lock()
		for msg := range c.nodes["a"].have {
			if len(msg) > 1<<10 {
				got++
			}
		}
		c.nodes["a"].mu.Unlock()
		t.Logf("%d of 6000 messages read", got)
		if got > messageBurst+messageRate*5 {
			t.Errorf("%d messages of one peer read", got)
		}
		c.within(time.Minute, "three members everywhere", func() bool { return c.whole(3) })
	})
}

// header is the beginning of a push/pull.
func header(nodes, bytes int) []byte {
	var out []byte
	err := codec.NewEncoderBytes(&out, &codec.MsgpackHandle{}).Encode(map[string]any{"Nodes": nodes, "UserStateLen": bytes, "Join": true})
	if err != nil {
		panic(err)
	}
	return append([]byte{mlPushPull}, out...)
}
