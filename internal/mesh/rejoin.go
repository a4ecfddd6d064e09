package mesh

import (
	"math/rand/v2"
	"time"
)

// findLost makes memberlist take back each peer that can be reached again.
// memberlist itself forgets the dead, and would leave a healed partition split.
func (m *Mesh) findLost() {
	for {
		half := m.cfg.Rejoin / 2
		select {
		case <-m.rejoin:
		case <-time.After(half + rand.N(half)):
		case <-m.ctx.Done():
			return
		}
		for _, i := range rand.Perm(len(m.peers)) {
			p := m.peers[i]
			if m.ctx.Err() != nil || !p.link.up.Load() || m.member(p.Name) {
				continue
			}
			if _, err := m.ml.Join([]string{p.Name + "/" + virtualAddress(p.Name)}); err != nil {
				m.cfg.Log.Debug("joining a mesh peer", "peer", p.Name, "error", err)
			}
		}
	}
}

func (m *Mesh) member(name string) bool {
	for _, n := range m.ml.Members() {
		if n.Name == name {
			return true
		}
	}
	return false
}
