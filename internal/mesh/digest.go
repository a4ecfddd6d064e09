package mesh

import (
	"math/rand/v2"
	"time"
)

const (
	maxDigest   = 16384 * 8 // largest digest, bytes
	maxRepair   = 256 << 10 // most bytes of messages that one digest gets back
	digestEvery = 5         // gossip intervals between digests
	digestPeers = 2         // asked each time
)

// digest is what a peer says it has: the identities of the messages of its State.
type digest struct {
	p     *peer
	reply bool // it answers one of ours: no further one is due
	ids   []byte
}

func encodeDigest(msgs [][]byte) []byte {
	var b []byte
	for _, msg := range msgs {
		if len(b) == maxDigest {
			break
		}
		k := identify(msg)
		b = append(b, k[:]...)
	}
	return b
}

// asked queues a peer's digest. At most one of each peer waits.
func (m *Mesh) asked(p *peer, f frame) {
	if !p.asked.CompareAndSwap(false, true) {
		m.count.dropped.Add(1)
		return
	}
	m.digests <- digest{p, f.kind == kindTell, f.body} // has room for one a peer
}

// reconcile compares what is newest with random peers, for ever: what was lost
// on the way is repaired in a second or two, also with peers that memberlist
// holds for dead.
func (m *Mesh) reconcile() {
	for {
		every := digestEvery * m.cfg.Gossip
		select {
		case <-time.After(every*3/4 + rand.N(every/2)):
			m.ask()
		case d := <-m.digests:
			m.answer(d)
			d.p.asked.Store(false)
		case <-m.ctx.Done():
			return
		}
	}
}

func (m *Mesh) ask() {
	f, n := frame{kindAsk, encodeDigest(m.cfg.State())}, 0
	for _, i := range rand.Perm(len(m.peers)) {
		if n == digestPeers {
			return
		}
		if m.peers[i].link.send(f) {
			n++
		}
	}
}

// answer sends what the digest lacks, and our own when it names what we lack.
func (m *Mesh) answer(d digest) {
	theirs := make(map[id]bool, len(d.ids)/8)
	for b := d.ids; len(b) >= 8; b = b[8:] {
		theirs[id(b)] = true
	}
	msgs, size, common := m.cfg.State(), 0, 0
	for _, msg := range msgs {
		if theirs[identify(msg)] {
			common++
			continue
		}
		if size += len(msg); size > maxRepair || len(msg) > MaxMessage || len(msg) == 0 {
			continue
		}
		if !d.p.link.send(frame{kindMessage, msg}) {
			return
		}
		m.count.repaired.Add(1)
	}
	if common < len(theirs) && !d.reply {
		d.p.link.send(frame{kindTell, encodeDigest(msgs)})
	}
}
