package mailtest

import "time"

// Cut breaks, or heals, the path between two hosts in both directions: packets
// vanish. Dials wait, established connections stall; healing delivers what was
// written meanwhile, as TCP's retransmission does.
func (n *Network) Cut(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[newPairOf(a, b)] = cut
	n.apply()
}

// Isolate cuts, or joins again, a host from all others (but not from itself).
func (n *Network) Isolate(host string, isolated bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isolated[host] = isolated
	n.apply()
}

// Delay sets the time that a packet takes between two hosts, one way. It holds
// for new connections and for what is written from now on.
func (n *Network) Delay(a, b string, oneWay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay[newPairOf(a, b)] = oneWay
	n.apply()
}

func (n *Network) isCut(a, b string) bool {
	return a != b && (n.isolated[a] || n.isolated[b]) || n.cut[newPairOf(a, b)]
}

func (n *Network) delayOf(a, b string) time.Duration { return n.delay[newPairOf(a, b)] }

// apply carries the present topology to the open connections and waiting dials.
func (n *Network) apply() {
	for p := range n.pipes {
		for _, end := range p.ends {
			end.w.setDelay(n.delayOf(p.hosts[0], p.hosts[1]))
			end.w.setCut(n.isCut(p.hosts[0], p.hosts[1]))
		}
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// Reset breaks all open connections of a host at once: both ends get
// ECONNRESET. Listeners stay.
func (n *Network) Reset(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.pipes {
		if p.hosts[0] == host || p.hosts[1] == host {
			p.ends[0].w.reset()
			p.ends[1].w.reset()
		}
	}
}
