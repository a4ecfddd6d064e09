package mesh

import (
	"errors"
	"fmt"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist asks: memberlist.Delegate and AliveDelegate.
type delegate struct{ m *Mesh }

func (d delegate) NodeMeta(int) []byte             { return nil }
func (d delegate) NotifyMsg([]byte)                { d.m.count.dropped.Add(1) } // messages have frames of their own
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

func (d delegate) LocalState(bool) []byte { return packState(d.m.cfg.State()) }

func (d delegate) MergeRemoteState(b []byte, _ bool) {
	unpackState(b, func(msg []byte) { d.m.message(len(d.m.peers), msg) })
}

// NotifyAlive keeps the membership within the roster: known names, each under
// its own address, and of a version that all understand.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	if n.Name != d.m.cfg.Name && d.m.byAddr[virtualAddress(n.Name)] == nil {
		return errors.New("not in the roster")
	}
	if !n.Addr.Equal(virtualIP(n.Name)) || n.Port != virtualPort {
		return fmt.Errorf("not at its address: %s", n.Address())
	}
	if len(n.Meta) != 0 || n.PMin > memberlist.ProtocolVersion2Compatible || n.PMax < memberlist.ProtocolVersion2Compatible ||
		n.PCur != memberlist.ProtocolVersion2Compatible || n.DMin|n.DMax|n.DCur != 0 {
		return errors.New("of another version")
	}
	return nil
}
