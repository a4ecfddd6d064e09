package mailtest

import (
	"bytes"
	"fmt"
	"time"
)

// bounce sends a non-delivery report to the sender's mailbox (RFC 3464, in the
// form of RFC 6522). Mail from the null reverse path, or from a sender
// elsewhere, is dropped instead.
func (p *Provider) bounce(e *entry) {
	if e.sender == "" {
		return
	}
	a, err := p.find(e.sender)
	if err != nil {
		p.log.Warn("cannot bounce", "queue_id", e.id, "err", err)
		return
	}
	p.store(a, Inbox, p.report(e, time.Now()), e.id)
}

// report writes the non-delivery report. It returns the headers of the message
// only, and like Postfix's it has no In-Reply-To.
func (p *Provider) report(e *entry, now time.Time) []byte {
	boundary := e.id + ".bounce/" + p.cfg.Host
	date := now.Format(time.RFC1123Z)
	header, _, _ := bytes.Cut(e.raw, []byte("\r\n\r\n"))
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <>\r\n"+
		"Received: by %[1]s; %[3]s\r\n"+
		"Date: %[3]s\r\n"+
		"From: Mail Delivery System <MAILER-DAEMON@%[2]s>\r\n"+
		"To: <%[4]s>\r\n"+
		"Subject: Undelivered Mail Returned to Sender\r\n"+
		"Message-ID: <%[5]s.bounce@%[1]s>\r\n"+
		"Auto-Submitted: auto-replied\r\n"+
		"MIME-Version: 1.0\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%[6]s\"\r\n"+
		"\r\n"+
		"This is a MIME-encapsulated message.\r\n\r\n",
		p.cfg.Host, p.cfg.Domain, date, e.sender, e.id, boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"+
		"This is the mail system at host %s.\r\n\r\n"+
		"Your message could not be delivered to\r\n\r\n<%s>: mailbox unavailable (bounced by switch)\r\n\r\n",
		boundary, p.cfg.Host, e.to.address)
	fmt.Fprintf(&b, "--%s\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n"+
		"Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n\r\n"+
		"Final-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: 5.1.1\r\n"+
		"Diagnostic-Code: smtp; 550 5.1.1 bounced by switch\r\n\r\n",
		boundary, p.cfg.Host, date, e.to.address)
	fmt.Fprintf(&b, "--%s\r\nContent-Description: Undelivered Message Headers\r\nContent-Type: text/rfc822-headers\r\n\r\n%s\r\n\r\n--%s--\r\n",
		boundary, header, boundary)
	return b.Bytes()
}
