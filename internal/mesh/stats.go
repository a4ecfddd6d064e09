package mesh

import "sync/atomic"

// Stats are counters since Start, and gauges.
type Stats struct {
	FramesIn, FramesOut uint64 // between peers, of any kind
	BytesIn, BytesOut   uint64 // of these frames, before encryption
	Received            uint64 // messages given to Receive
	Relayed             uint64 // frames sent to pass a message on
	Repaired            uint64 // messages sent because a digest lacked them
	Duplicates          uint64 // messages not given to Receive because it has had them
	Dropped             uint64 // frames, packets and messages given up: a queue was full, or they were not sound
	Strangers           uint64 // incoming connections that ended in the handshake
	Refused             uint64 // outgoing connections that ended in the handshake

	Links   int // peers that this node's frames can go to now
	Members int // as Mesh.Members
	Health  int // as Mesh.Health

	Awareness int // memberlist's own health score, 0 is best; peers can drive it up
}

type counters struct {
	framesIn, framesOut, bytesIn, bytesOut, received, relayed, repaired, duplicates, dropped, strangers, refused atomic.Uint64
}

// Stats returns the counters and gauges of this moment.
func (m *Mesh) Stats() Stats {
	c := &m.count
	s := Stats{
		FramesIn: c.framesIn.Load(), FramesOut: c.framesOut.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Received: c.received.Load(), Relayed: c.relayed.Load(), Repaired: c.repaired.Load(), Duplicates: c.duplicates.Load(),
		Dropped: c.dropped.Load(), Strangers: c.strangers.Load(), Refused: c.refused.Load(),
		Members: m.ml.NumMembers(), Health: m.Health(), Awareness: m.ml.GetHealthScore(),
	}
	for _, p := range m.peers {
		if p.link.up.Load() {
			s.Links++
		}
	}
	return s
}
