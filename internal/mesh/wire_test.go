package mesh

import (
	"bytes"
	"encoding/binary"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/memberlist"
	"pgregory.net/rapid"
)

func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msgs := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 1, 3000)).Draw(t, "messages")
		var got [][]byte
		unpackState(packState(msgs), func(b []byte) { got = append(got, b) })
		if d := cmp.Diff(msgs, got, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

func TestStateIsBounded(t *testing.T) {
	var msgs [][]byte
	for range 20 {
		msgs = append(msgs, make([]byte, MaxMessage))
	}
	if n := len(packState(msgs)); n > maxState {
		t.Errorf("a state of %d bytes", n)
	}
	if n := len(packState([][]byte{{}, make([]byte, MaxMessage+1)})); n != 0 {
		t.Errorf("%d bytes of messages that nobody takes", n)
	}
}

func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := kind(rapid.Byte().Draw(t, "kind"))
		f := frame{k, rapid.SliceOfN(rapid.Byte(), 0, min(k.limit(), 10000)).Draw(t, "body")}
		var b bytes.Buffer
		if err := f.writeTo(&b); err != nil {
			t.Fatal(err)
		}
		if b.Len() != f.size() {
			t.Errorf("%d bytes, said to be %d", b.Len(), f.size())
		}
		got, err := readFrame(&b)
		if err != nil || got.kind != f.kind || !bytes.Equal(got.body, f.body) || b.Len() != 0 {
			t.Errorf("got %v, %v, %d bytes left", got, err, b.Len())
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{1, 0, 0, 1, 0})
	f.Add([]byte{2, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readFrame(bytes.NewReader(b))
		if err == nil && len(got.body) > got.kind.limit() {
			t.Errorf("a frame of %d bytes", len(got.body))
		}
		unpackState(b, func(msg []byte) {
			if len(msg) == 0 || len(msg) > len(b) {
				t.Errorf("a message of %d bytes", len(msg))
			}
		})
	})
}

func TestSane(t *testing.T) {
	for _, c := range []struct {
		b  string
		ok bool
	}{
		{"\x00ping", true}, {"\x05", true}, {"\x0bnack", true}, {"\x0c\x01\x02\x03\x04\x00ping", true},
		{"\x07\x02\x00\x01\x00\x02\x00\x01a", true}, {"\x07\x00", true}, {"\x0c\x01\x02\x03\x04\x07\x01\x00\x01\x00", true},
		{"", false}, {"\x06", false}, {"\x07", false}, {"\x08user", false}, {"\x09lzw", false}, {"\x0a", false}, {"\x0d", false},
		{"\xf4\x01x\x00", false}, {"\x0c\x01\x02\x03", false}, {"\x0c\x01\x02\x03\x04", false}, {"\x0c....\x0c....\x00", false},
		{"\x07\x01\x00\x02\x07\x00", false}, {"\x07\x01\x00\x01\x09", false}, {"\x07\x01\x00\x05\x00", false}, {"\x07\xff\x00", false},
		{"\x07\x01\x00\x00", false},
	} {
		if sane([]byte(c.b)) != c.ok {
			t.Errorf("%q: want %v", c.b, c.ok)
		}
	}
}

// sink is a transport that leads nowhere.
type sink struct {
	packets chan *memberlist.Packet
	streams chan net.Conn
}

func (s sink) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return virtualIP("a"), virtualPort, nil
}
func (s sink) WriteTo([]byte, string) (time.Time, error)           { return time.Now(), nil }
func (s sink) PacketCh() <-chan *memberlist.Packet                 { return s.packets }
func (s sink) DialTimeout(string, time.Duration) (net.Conn, error) { return nil, io.EOF }
func (s sink) StreamCh() <-chan net.Conn                           { return s.streams }
func (s sink) Shutdown() error                                     { return nil }

// FuzzMemberlist looks for packets of a compromised peer that pass our check and
// make the library panic: it could not be recovered from.
func FuzzMemberlist(f *testing.F) {
	s := sink{make(chan *memberlist.Packet), make(chan net.Conn)}
	cfg := memberlist.DefaultWANConfig()
	cfg.Name, cfg.Transport, cfg.Logger, cfg.EnableCompression = "a", s, log.New(io.Discard, "", 0), false
	m := &Mesh{cfg: Config{Name: "a"}, byAddr: map[string]*peer{virtualAddress("b"): {}}}
	cfg.Alive, cfg.Delegate = delegate{m}, delegate{m}
	ml, err := memberlist.Create(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { ml.Shutdown() })
	f.Add(accuse(3, 1, "a", "b"))
	f.Add(accuse(5, 1<<31, "a", "a"))
	f.Add(append([]byte{mlCompound, 1, 0, 1}, 2))
	f.Add([]byte("\x04\x86\xabIncarnation\x01\xa4Node\xa1b\xa4Addr\xc4\x04\x01\x02\x03\x04\xa4Port\x01\xa4Meta\xc0\xa3Vsn\xc4\x06\x01\x05\x02\x00\x00\x00"))
	f.Add(append(append([]byte("\x04\x86\xabIncarnation\x01\xa4Node\xa1b\xa4Addr\xc4\x10"), virtualIP("b")...), "\xa4Port\x01\xa4Meta\xc0\xa3Vsn\xc4\x06\x01\x05\x02\x00\x00\x00"...))
	f.Add([]byte("\x01\x84\xa5SeqNo\x01\xa6Target\xc4\x03abc\xa4Port\x01\xa4Nack\xc3"))
	f.Add([]byte("\x00\x84\xa5SeqNo\x01\xa4Node\xa1a\xaaSourceAddr\xc4\x01x\xaaSourcePort\x09"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= maxPacket && sane(b) {
			s.packets <- &memberlist.Packet{Buf: b, From: virtualAddr("b"), Timestamp: time.Now()}
		}
	})
}

func TestInboxIsFair(t *testing.T) {
	b := newInbox(4)
	accepted := 0
	for range 5000 {
		if b.put(letter{msg: make([]byte, 100), from: 0}) {
			accepted++
		}
	}
	if accepted != maxQueueFrames {
		t.Errorf("%d letters of one peer wait", accepted)
	}
	for b.put(letter{msg: make([]byte, MaxMessage), from: 1}) {
	}
	if n := b.lanes[1].bytes; n > maxQueueBytes {
		t.Errorf("%d bytes of one peer wait", n)
	}
	b.put(letter{msg: []byte("quiet"), from: 2})
	for i := range 4 {
		if c, ok := b.take(); ok && string(c.msg) == "quiet" {
			return
		} else if !ok || i == 3 {
			t.Fatal("the quiet peer waits for the loud")
		}
	}
}

// Each letter comes out once, and those of one lane in order.
func TestInboxKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, lanes := newInbox(3), [3][]uint32{}
		for i := range rapid.IntRange(0, 200).Draw(t, "puts and takes") {
			if rapid.Bool().Draw(t, "put") {
				l := rapid.IntRange(0, 2).Draw(t, "lane")
				b.put(letter{msg: binary.BigEndian.AppendUint32(nil, uint32(i)), from: l})
				lanes[l] = append(lanes[l], uint32(i))
			} else if c, ok := b.take(); ok {
				if got := binary.BigEndian.Uint32(c.msg); len(lanes[c.from]) == 0 || lanes[c.from][0] != got {
					t.Fatalf("lane %d gave %d, want %v", c.from, got, lanes[c.from])
				}
				lanes[c.from] = lanes[c.from][1:]
			} else if len(lanes[0])+len(lanes[1])+len(lanes[2]) > 0 {
				t.Fatal("nothing to take, although something waits")
			}
		}
	})
}

func TestSeenForgetsTheOldest(t *testing.T) {
	s := newSeen(10)
	name := func(i int) id { return identify(binary.BigEndian.AppendUint32(nil, uint32(i))) }
	for i := range 100 {
		if !s.add(name(i)) || s.add(name(i)) {
			t.Fatalf("%d is not new once", i)
		}
		for j := max(0, i-9); j <= i; j++ {
			if !s.has(name(j)) {
				t.Fatalf("%d forgotten after %d", j, i)
			}
		}
	}
	if s.has(name(0)) || len(s.new)+len(s.old) > 20 {
		t.Error("nothing is forgotten")
	}
}

func TestRate(t *testing.T) {
	var b bucket
	now := time.Unix(1e9, 0)
	b.last = now
	n := 0
	for b.take(now) {
		n++
	}
	if n != messageBurst {
		t.Errorf("%d at once", n)
	}
	for range 100 {
		now = now.Add(time.Second / messageRate)
		if !b.take(now) || b.take(now) {
			t.Fatal("not the rate")
		}
	}
}

// Identities of nodes: the same on each, and different for each.
func TestVirtualAddresses(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?`).Draw(t, "name")
		ip := virtualIP(name)
		mu.Lock()
		defer mu.Unlock()
		if other, ok := seen[ip.String()]; ok && other != name {
			t.Errorf("%s and %s share %s", name, other, ip)
		}
		seen[ip.String()] = name
		if !ip.IsPrivate() || net.ParseIP(ip.String()) == nil {
			t.Errorf("%s: %s", name, ip)
		}
	})
}
