package mesh

import (
	"bytes"
	"encoding/binary"
)

// packState frames many messages into one push/pull state: each with its length
// in bytes before it, as a uvarint. It stops at maxState.
func packState(msgs [][]byte) []byte {
	var out []byte
	for _, msg := range msgs {
		if len(msg) > MaxMessage || len(msg) == 0 {
			continue
		}
		if len(out)+len(msg)+binary.MaxVarintLen32 > maxState {
			break
		}
		out = binary.AppendUvarint(out, uint64(len(msg)))
		out = append(out, msg...)
	}
	return out
}

// unpackState calls f with a copy of each message, as far as b is well-formed.
func unpackState(b []byte, f func(msg []byte)) {
	for len(b) > 0 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n == 0 || n > MaxMessage || uint64(len(b)-k) < n {
			return
		}
		f(bytes.Clone(b[k : k+int(n)]))
		b = b[k+int(n):]
	}
}
