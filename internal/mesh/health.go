package mesh

import (
	"encoding/binary"
	"time"
)

// LinkState is how well this node's frames reach one peer.
type LinkState struct {
	Name string
	Up   bool
	RTT  time.Duration // of the last heartbeat; 0 before the first
	Late bool          // the last heartbeat took, or has been taking, too long
}

// Links returns the state of the connection to each peer, in the order of the
// configuration.
func (m *Mesh) Links() []LinkState {
	out := make([]LinkState, 0, len(m.peers))
	for _, p := range m.peers {
		out = append(out, p.link.state())
	}
	return out
}

// state: a heartbeat goes out every quarter of the silence that ends a link, and
// is late after a fifth of it more (1 s, of 5 s).
func (l *link) state() LinkState {
	s := LinkState{Name: l.p.Name, Up: l.up.Load(), RTT: time.Duration(l.rtt.Load())}
	fair := l.m.silence() / 5
	s.Late = s.Up && (s.RTT > fair || l.m.now()-time.Duration(l.heard.Load()) > l.m.silence()/4+fair)
	return s
}

// Health tells whether this node itself can take part: 0 is best, 8 is worst,
// above 2 it had better not judge others. It is the share, in eighths, of its
// connections on which heartbeats are late, and 8 when there is none at all: a
// node that is starved or badly connected is slow with everyone. A minority of
// slow peers never counts for more than 2.
//
// It is not memberlist's score (Stats.Awareness), which any one peer can drive up
// by accusing this node of being dead, and so silence it.
func (m *Mesh) Health() int {
	if len(m.peers) == 0 {
		return 0
	}
	up, late := 0, 0
	for _, s := range m.Links() {
		if s.Up {
			up++
		}
		if s.Late {
			late++
		}
	}
	switch {
	case up == 0:
		return 8
	case 2*late > up:
		return 8 * late / up
	}
	return min(2, 8*late/up)
}

// now is this node's monotonic clock, which the peer echoes.
func (m *Mesh) now() time.Duration { return time.Since(m.began) }

func (m *Mesh) heartbeat() frame {
	return frame{kindBeat, binary.BigEndian.AppendUint64(nil, uint64(m.now()))}
}
