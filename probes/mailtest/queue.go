package mailtest

import (
	"bytes"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// MaxDeliveries is how many deliveries the log keeps.
const MaxDeliveries = 10_000

// Delivery is one message put into a mailbox.
type Delivery struct {
	At        time.Time // just before it became visible; also its INTERNALDATE
	User      string
	Folder    string
	UID       uint32
	QueueID   string // empty for Put
	MessageID string // with its angle brackets
}

// message is what came in by SMTP.
type message struct {
	raw  []byte
	from string // "helo ([address])"
	with string // ESMTP, ESMTPS, ESMTPSA
	user string // who had logged in
}

// entry is one recipient's copy of a message in the queue.
type entry struct {
	id     string
	sender string
	to     recipient
	raw    []byte // with the headers of its arrival
	timer  *time.Timer
}

// enqueue takes responsibility for a message; it returns its queue id.
func (p *Provider) enqueue(m *message, sender string, to []recipient) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastID++
	id := fmt.Sprintf("MQ%06X", p.lastID)
	now := time.Now()
	for _, r := range to {
		if r.mode.kind == drop {
			continue
		}
		e := &entry{id: id, sender: sender, to: r, raw: p.stamp(m, sender, id, r, now)}
		p.queue[e] = struct{}{}
		// A message that was under way while Release came is not held for ever.
		if r.mode.kind != hold || p.modeLocked(r.account.name).kind != hold {
			wait := p.transitLocked(r.account.name)
			if r.mode.kind == late {
				wait += r.mode.after
			}
			p.scheduleLocked(e, wait)
		}
	}
	return id
}

// stamp puts the trace headers of the arrival on top (RFC 5321 section 4.4).
func (p *Provider) stamp(m *message, sender, id string, r recipient, now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\r\n", sender)
	auth := "none"
	if m.user != "" {
		auth = "auth=pass smtp.auth=" + m.user
	}
	if _, domain, ok := strings.Cut(sender, "@"); ok {
		verdict := "pass"
		if r.mode.kind == junk {
			verdict = "fail"
		}
		auth += fmt.Sprintf(";\r\n\tspf=%s smtp.mailfrom=%s", verdict, domain)
	}
	fmt.Fprintf(&b, "Authentication-Results: %s; %s\r\n", p.cfg.Host, auth)
	fmt.Fprintf(&b, "Received: from %s\r\n\tby %s with %s id %s\r\n\tfor <%s>; %s\r\n",
		m.from, p.cfg.Host, m.with, id, r.address, now.Format(time.RFC1123Z))
	b.Write(m.raw)
	return b.Bytes()
}

func (p *Provider) scheduleLocked(e *entry, wait time.Duration) {
	if p.closed || e.timer != nil && !e.timer.Stop() {
		return // it runs already
	}
	if e.timer != nil {
		p.running.Done()
	}
	p.running.Add(1)
	e.timer = time.AfterFunc(wait, func() {
		defer p.running.Done()
		p.deliver(e)
	})
}

// deliver takes an entry out of the queue and does with it what its mode says.
func (p *Provider) deliver(e *entry) {
	p.mu.Lock()
	_, queued := p.queue[e]
	delete(p.queue, e)
	closed := p.closed
	p.mu.Unlock()
	if !queued || closed {
		return
	}
	switch e.to.mode.kind {
	case bounce:
		p.bounce(e)
	case junk:
		p.store(e.to.account, JunkBox, e.raw, e.id)
	case dup:
		p.store(e.to.account, Inbox, e.raw, e.id)
		p.store(e.to.account, Inbox, e.raw, e.id)
	default:
		p.store(e.to.account, Inbox, e.raw, e.id)
	}
}

// store puts a message into a mailbox and logs it. A second Received header
// shows the hop from the queue to the mailbox, and its time.
func (p *Provider) store(a *account, folder string, raw []byte, id string) {
	at := time.Now()
	hop := fmt.Sprintf("Received: from %s by store.%s\r\n\twith LMTP id %s; %s\r\n",
		p.cfg.Host, p.cfg.Domain, id, at.Format(time.RFC1123Z))
	if err := p.put(a, folder, append([]byte(hop), raw...), id, at); err != nil {
		p.log.Error("mail is lost", "user", a.name, "err", err)
	}
}

func (p *Provider) put(a *account, folder string, raw []byte, id string, at time.Time) error {
	uid, err := a.store(folder, raw, at)
	if err != nil {
		return err
	}
	d := Delivery{At: at, User: a.name, Folder: folder, UID: uint32(uid), QueueID: id}
	if msg, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		d.MessageID = msg.Header.Get("Message-ID")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.deliveries) >= MaxDeliveries {
		p.deliveries = slices.Delete(p.deliveries, 0, MaxDeliveries/10)
	}
	p.deliveries = append(p.deliveries, d)
	p.log.Debug("delivered", "user", a.name, "folder", folder, "queue_id", id)
	return nil
}

// Release delivers at once all that is in the queue for the users (none: for
// all), and sets their mode to Normal.
func (p *Provider) Release(users ...string) {
	p.Set(Normal, users...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := range p.queue {
		if len(users) == 0 || slices.Contains(users, e.to.account.name) {
			if e.to.mode.kind == hold || e.to.mode.kind == late {
				p.scheduleLocked(e, 0)
			}
		}
	}
}

// Queue is the number of accepted messages not delivered yet, one for each
// recipient.
func (p *Provider) Queue() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// Deliveries returns the log of deliveries, oldest first, the last
// MaxDeliveries of them.
func (p *Provider) Deliveries() []Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.deliveries)
}
