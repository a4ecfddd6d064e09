package mailtest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes one direction of a connection holds before a writer
// has to wait for the reader, as TCP's buffers do. It is far more than any TLS
// flight, so that no handshake can deadlock.
const window = 1 << 20

// segment is what one Write sent: bytes, or the end of the stream.
type segment struct {
	data []byte
	end  bool
	due  time.Time // arrives then; zero: held back by a cut
}

// half is one direction of a connection.
type half struct {
	mu         sync.Mutex
	change     sync.Cond // any field changed, or a timer ran out
	queue      []segment
	size       int // bytes in queue
	delay      time.Duration
	cut        bool
	readerGone bool
	writerGone bool
	refused    bool // the writer has been told that the reader is gone
	broken     bool // by reset
	read       deadline
	write      deadline
}

func newHalf(delay time.Duration) *half {
	h := &half{delay: delay}
	h.change.L = &h.mu
	return h
}

// wake lets all waiters look again; it is a timer's function too.
func (h *half) wake() {
	h.mu.Lock()
	h.change.Broadcast()
	h.mu.Unlock()
}

func (h *half) recv(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readerGone:
			return 0, net.ErrClosed
		case h.broken:
			return 0, os.NewSyscallError("read", syscall.ECONNRESET)
		case h.read.over():
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		}
		if len(h.queue) > 0 && h.queue[0].arrived() {
			return h.take(b)
		}
		h.change.Wait()
	}
}

// take copies from the first segment, which has arrived.
func (h *half) take(b []byte) (int, error) {
	s := &h.queue[0]
	if s.end {
		return 0, io.EOF
	}
	n := copy(b, s.data)
	s.data = s.data[n:]
	h.size -= n
	if len(s.data) == 0 {
		h.queue = h.queue[1:]
	}
	h.change.Broadcast()
	return n, nil
}

func (s segment) arrived() bool { return !s.due.IsZero() && !time.Now().Before(s.due) }

func (h *half) send(b []byte) (sent int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.writerGone:
			return sent, net.ErrClosed
		case h.broken:
			return sent, os.NewSyscallError("write", syscall.ECONNRESET)
		case h.write.over():
			return sent, os.ErrDeadlineExceeded
		case h.refused:
			return sent, os.NewSyscallError("write", syscall.EPIPE)
		case len(b) == 0:
			return sent, nil
		case h.readerGone && !h.cut:
			// as with TCP, the first write to a closed peer meets no error,
			// its answer (RST) makes the next one fail
			h.refused = true
			return sent + len(b), nil
		}
		if n := min(window-h.size, len(b)); n > 0 {
			h.push(segment{data: b[:n]})
			sent += n
			b = b[n:]
			continue
		}
		h.change.Wait()
	}
}

// push sends a segment on its way; it copies the bytes.
func (h *half) push(s segment) {
	h.size += len(s.data)
	if !h.cut {
		s.due = time.Now().Add(h.delay)
	}
	if last := len(h.queue) - 1; last >= 0 && !s.end && h.delay == 0 && h.queue[last].due.IsZero() == h.cut {
		h.queue[last].data = append(h.queue[last].data, s.data...)
	} else {
		s.data = append([]byte(nil), s.data...)
		h.queue = append(h.queue, s)
	}
	h.arrive()
}

// arrive wakes the reader, now or when the delay is over.
func (h *half) arrive() {
	if h.delay > 0 && !h.cut {
		time.AfterFunc(h.delay, h.wake)
		return
	}
	h.change.Broadcast()
}

// setCut holds back all that has not arrived, or sends it on its way again, as
// TCP's retransmission does.
func (h *half) setCut(cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut == cut {
		return
	}
	h.cut = cut
	due := time.Time{}
	if !cut {
		due = time.Now().Add(h.delay)
	}
	for i := range h.queue {
		if !h.queue[i].arrived() {
			h.queue[i].due = due
		}
	}
	h.arrive()
	h.change.Broadcast()
}

func (h *half) setDelay(d time.Duration) {
	h.mu.Lock()
	h.delay = d
	h.mu.Unlock()
}

func (h *half) reset() {
	h.mu.Lock()
	h.broken = true
	h.queue, h.size = nil, 0
	h.change.Broadcast()
	h.mu.Unlock()
}

func (h *half) closeRead() {
	h.mu.Lock()
	h.readerGone = true
	h.queue, h.size = nil, 0
	h.read.set(time.Time{}, nil)
	h.change.Broadcast()
	h.mu.Unlock()
}

func (h *half) closeWrite() {
	h.mu.Lock()
	h.writerGone = true
	h.write.set(time.Time{}, nil)
	if !h.readerGone {
		h.push(segment{end: true})
	}
	h.change.Broadcast()
	h.mu.Unlock()
}

// deadline is a point in time and the timer that wakes those who wait for it.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(at time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, wake)
	}
}
