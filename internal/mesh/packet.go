package mesh

import "encoding/binary"

// Types of memberlist's messages, the first byte of each (net.go there).
const (
	mlPing     = 0
	mlAck      = 2
	mlPushPull = 6
	mlCompound = 7
	mlNack     = 11
	mlCRC      = 12
	mlError    = 13
)

// plain reports whether a single message is one that this mesh's memberlist
// sends in packets: ping, indirect ping, ack, suspect, alive, dead, nack.
func plain(b []byte) bool { return len(b) > 0 && (b[0] < mlPushPull || b[0] == mlNack) }

// sane reports whether a packet is of the shape that memberlist sends here: plain
// messages, in one compound at most, with one checksum at most. The paths of the
// library for compression, encryption, labels and nesting are closed to peers: a
// panic there could not be recovered from.
func sane(b []byte) bool {
	if len(b) >= 5 && b[0] == mlCRC {
		b = b[5:]
	}
	if len(b) < 2 || b[0] != mlCompound {
		return plain(b)
	}
	n := int(b[1])
	if len(b) < 2+2*n {
		return false
	}
	sizes, rest := b[2:2+2*n], b[2+2*n:]
	for ; len(sizes) > 0; sizes = sizes[2:] {
		size := int(binary.BigEndian.Uint16(sizes))
		if len(rest) < size || !plain(rest[:size]) {
			return false
		}
		rest = rest[size:]
	}
	return true
}
