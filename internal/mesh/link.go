package mesh

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// link is the connection on which this node's frames go to one peer. It is
// dialled again for ever. Frames are queued only while it is up: what was not
// sent is repaired by the digest that follows when it comes up.
type link struct {
	m      *Mesh
	p      *peer
	queue  chan frame
	queued atomic.Int64 // bytes
	up     atomic.Bool
	rtt    atomic.Int64  // of the last heartbeat answered
	heard  atomic.Int64  // when it was answered, as Mesh.now
	again  chan struct{} // see retry
}

func newLink(m *Mesh, p *peer) *link {
	return &link{m: m, p: p, queue: make(chan frame, maxQueueFrames), again: make(chan struct{}, 1)}
}

// send queues a frame and reports whether the link is up. A full queue drops it,
// as a network would. It never blocks.
func (l *link) send(f frame) bool {
	if !l.up.Load() {
		return false
	}
	if l.m.lose != nil && l.m.lose(l.p.Name) {
		return true
	}
	if n := int64(f.size()); l.queued.Add(n) <= maxQueueBytes {
		select {
		case l.queue <- f:
			return true
		default:
		}
	}
	l.queued.Add(-int64(f.size()))
	l.m.count.dropped.Add(1)
	return true
}

// retry is called when the peer has just connected, so it lives, perhaps anew and
// elsewhere: a link that waits dials at once, one that is up must prove itself.
func (l *link) retry() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// run keeps the link up until the mesh closes. The address's name is resolved
// each time, by Dial.
func (l *link) run() {
	first := min(100*time.Millisecond, l.m.cfg.Rejoin/2)
	wait := first
	for l.m.ctx.Err() == nil {
		if conn, err := l.dial(); err != nil {
			l.m.cfg.Log.Debug("mesh peer not reached", "peer", l.p.Name, "error", err)
		} else {
			began := time.Now()
			err = l.serve(conn)
			l.m.cfg.Log.Info("mesh link down", "peer", l.p.Name, "error", err)
			if time.Since(began) > l.m.cfg.Rejoin {
				wait = first
			}
		}
		select {
		case <-l.m.ctx.Done():
		case <-l.again:
			wait = first
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, l.m.cfg.Rejoin/2)
	}
}

// silence is how long a link may go without an echo. A peer that moved without a
// word is given up after it, not after TCP's quarter of an hour.
func (m *Mesh) silence() time.Duration { return max(m.cfg.Rejoin, 2*time.Second) }

// serve writes what is queued until the connection fails or the mesh closes.
func (l *link) serve(conn *tls.Conn) error {
	dead := make(chan error, 1)
	l.m.wg.Go(func() { dead <- l.listen(conn) })
	raw := conn.NetConn()
	defer raw.Close()

	l.empty()
	l.rtt.Store(0)
	l.heard.Store(int64(l.m.now()))
	l.up.Store(true)
	defer l.up.Store(false)
	l.greet()
	l.m.cfg.Log.Info("mesh link up", "peer", l.p.Name)

	beat := time.NewTicker(l.m.silence() / 4)
	defer beat.Stop()
	w := bufio.NewWriterSize(counted{conn, &l.m.count.bytesOut}, 16<<10)
	write := func(f frame) error {
		l.m.count.framesOut.Add(1)
		if err := f.writeTo(w); err != nil || len(l.queue) > 0 {
			return err
		}
		return w.Flush()
	}
	for {
		raw.SetWriteDeadline(time.Now().Add(l.m.silence()))
		select {
		case f := <-l.queue:
			l.queued.Add(-int64(f.size()))
			if err := write(f); err != nil {
				return err
			}
		case <-beat.C:
			if err := write(l.m.heartbeat()); err != nil {
				return err
			}
		case <-l.again:
			rtt := time.Duration(l.rtt.Load())
			if rtt == 0 {
				continue // too young to be doubted
			}
			raw.SetReadDeadline(time.Now().Add(max(l.m.silence()/4, 4*rtt)))
			if err := write(l.m.heartbeat()); err != nil {
				return err
			}
		case err := <-dead:
			return err
		case <-l.m.ctx.Done():
			return l.finish(conn, w, dead)
		}
	}
}

// finish writes what is left, at most for a second.
func (l *link) finish(conn *tls.Conn, w *bufio.Writer, dead <-chan error) error {
	l.up.Store(false)
	conn.NetConn().SetWriteDeadline(time.Now().Add(time.Second))
	for {
		select {
		case f := <-l.queue:
			l.queued.Add(-int64(f.size()))
			if err := f.writeTo(w); err != nil {
				return err
			}
		default:
			if err := w.Flush(); err != nil {
				return err
			}
			if err := conn.CloseWrite(); err != nil {
				return err
			}
			select { // the peer closes when it has read everything
			case err := <-dead:
				return err
			case <-time.After(time.Second):
				return context.Canceled
			}
		}
	}
}

// listen reads the echoes, and ends the link when they stay away.
func (l *link) listen(conn *tls.Conn) error {
	raw := conn.NetConn()
	defer raw.Close()
	for {
		raw.SetReadDeadline(time.Now().Add(l.m.silence()))
		f, err := readFrame(conn)
		if err != nil {
			return err
		}
		if f.kind == kindEcho && len(f.body) == 8 {
			now := l.m.now()
			l.rtt.Store(int64(now) - int64(binary.BigEndian.Uint64(f.body)))
			l.heard.Store(int64(now))
		}
	}
}

// empty drops what was queued for the connection before.
func (l *link) empty() {
	for {
		select {
		case f := <-l.queue:
			l.queued.Add(-int64(f.size()))
			l.m.count.dropped.Add(1)
		default:
			return
		}
	}
}

// greet brings both sides up to date at once.
func (l *link) greet() {
	l.send(frame{kindAsk, encodeDigest(l.m.cfg.State())})
	select {
	case l.m.rejoin <- struct{}{}:
	default:
	}
}
