package mesh

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// kind is what a frame holds.
type kind uint8

const (
	kindPacket  kind = 1 // a packet of memberlist
	kindMessage kind = 2 // a message of Send, direct or relayed
	kindAsk     kind = 3 // a digest: send me what I lack, and ask me for what you lack
	kindTell    kind = 4 // the digest that answers one: send me what I lack
	kindBeat    kind = 5 // are you there?
	kindEcho    kind = 6 // I am; also the first frame on each connection: you are accepted
)

// frame is what travels: one byte of kind, three of length (big endian), body.
type frame struct {
	kind kind
	body []byte
}

func (f frame) size() int { return 4 + len(f.body) }

// writeTo writes the frame. Its body is at most maxFrame bytes.
func (f frame) writeTo(w io.Writer) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(f.kind)<<24|uint32(len(f.body)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(f.body)
	return err
}

// readFrame reads one frame, no larger than its kind may be. Memory grows with
// what has arrived, not with what was announced.
func readFrame(r io.Reader) (frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	v := binary.BigEndian.Uint32(head[:])
	f, n := frame{kind: kind(v >> 24)}, int(v&0xffffff)
	if n > f.kind.limit() {
		return f, fmt.Errorf("a frame of kind %d with %d bytes", f.kind, n)
	}
	if n <= 4096 {
		f.body = make([]byte, n)
		_, err := io.ReadFull(r, f.body)
		return f, err
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return f, err
	}
	f.body = b.Bytes()
	return f, nil
}

// limit returns the largest body of a kind of frame, in bytes. Kinds not known
// here are of a newer version, and skipped.
func (k kind) limit() int {
	switch k {
	case kindPacket:
		return maxPacket
	case kindMessage:
		return MaxMessage
	case kindAsk, kindTell:
		return maxDigest
	case kindBeat, kindEcho:
		return 8
	}
	return maxFrame
}
