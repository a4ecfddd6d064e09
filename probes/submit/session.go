package submit

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/emersion/go-smtp"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/guard"
	"mailquorum/probes/tap"
)

// session is one dialogue with a server, from the dial to QUIT. It is used by
// one goroutine; only the end of the context closes its connection from another.
type session struct {
	cfg      Config
	progress func(probes.Timing)
	result   Result
	token    secret.Secret // in place of a password

	stage      probes.Stage // where the dialogue is
	server     string       // name of the server, for its certificate
	connecting time.Time    // begin of the stage connect
	guard      *guard.Conn  // around the connection, once there is one
	deadline   time.Time    // of the guard
	stop       func() bool  // ends the guard's watch over the context
	conn       net.Conn     // the guard, or TLS over it, with the tap on top
	tap        *tap.Tap     // records the dialogue, knows the secrets
	wire       *wire        // what the library sees of it
	client     *smtp.Client // once the server has been greeted
	silent     bool         // connected, and the server has not said a byte of its greeting in clear text
	dot        bool         // the whole message with its final dot has been handed to the network
	broken     bool         // the dialogue is out of step: no QUIT
}

func newSession(cfg Config, tok secret.Secret, progress func(probes.Timing)) *session {
	s := &session{cfg: cfg, progress: progress, stage: probes.StageResolve, tap: tap.New(tap.SMTP), token: tok}
	s.tap.Hide(tok.Reveal())
	if pw := cfg.Password.Reveal(); pw != "" {
		s.tap.Hide(pw, "\x00"+cfg.Username+"\x00"+pw)
	}
	return s
}

// budget puts the submission's time-out on ctx.
func (s *session) budget(ctx context.Context) (context.Context, context.CancelFunc) {
	d := s.cfg.timeout()
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no end of the dialogue within %v: %w", d, context.DeadlineExceeded))
}

// open takes the dialogue to where a message can be sent: connected, greeted,
// secured and logged in, as the configuration says.
func (s *session) open(ctx context.Context) error {
	o, err := s.reach(ctx)
	if err != nil {
		return err
	}
	connecting := time.Since(s.connecting)
	if s.cfg.TLS == Implicit {
		s.stage = probes.StageTLS
		began := time.Now()
		if err := s.secure(ctx); err != nil {
			return err
		}
		s.passed(probes.StageTLS, time.Since(began))
		o = openingOn(s.conn)
	}
	s.stage = probes.StageConnect
	began := time.Now()
	if s.cfg.TLS == Implicit {
		if err := o.greeting(); err != nil {
			return err
		}
	}
	if s.cfg.TLS != STARTTLS {
		if err := s.hello(o.in); err != nil {
			return err
		}
		s.passed(probes.StageConnect, connecting+time.Since(began))
		return s.authenticate()
	}
	extensions, err := o.ehlo(s.cfg.hello())
	if err != nil {
		return err
	}
	s.passed(probes.StageConnect, connecting+time.Since(began))
	if err := s.upgrade(ctx, o, extensions); err != nil {
		return err
	}
	return s.authenticate()
}

// upgrade is STARTTLS, the handshake, and the EHLO that must be said again under
// it (RFC 3207 section 4.2): one stage.
func (s *session) upgrade(ctx context.Context, o *opening, extensions []string) error {
	s.stage = probes.StageTLS
	began := time.Now()
	if err := o.starttls(extensions); err != nil {
		return err
	}
	if err := s.secure(ctx); err != nil {
		return err
	}
	if err := s.hello(s.conn); err != nil {
		return err
	}
	s.passed(probes.StageTLS, time.Since(began))
	return nil
}

// hello gives the connection to the library and says EHLO; in is where the
// server's words are read from.
func (s *session) hello(in io.Reader) error {
	s.arm()
	s.wire = newWire(s.conn, in)
	s.client = smtp.NewClient(s.wire)
	s.client.CommandTimeout = s.cfg.timeout() // the guard's deadline is the earlier one
	s.client.SubmissionTimeout = s.cfg.timeout()
	return s.wire.whole(s.client.Hello(s.cfg.hello()))
}

// arm lets the server say what one reply may hold.
func (s *session) arm() { s.guard.Arm(guard.SMTPReply, s.deadline) }

// deliver passes the stages envelope and data.
func (s *session) deliver(message []byte) error {
	s.stage = probes.StageEnvelope
	began := time.Now()
	s.arm()
	err := s.client.Mail(s.cfg.From, &smtp.MailOptions{Size: int64(len(message))})
	if err := s.wire.whole(err); err != nil {
		return err
	}
	s.arm()
	if err := s.wire.whole(s.client.Rcpt(s.cfg.To, nil)); err != nil {
		return err
	}
	s.passed(probes.StageEnvelope, time.Since(began))

	s.stage = probes.StageData
	began = time.Now()
	reply, err := s.data(message)
	if err != nil {
		return err
	}
	s.result.Accepted = time.Now()
	s.result.Reply = reply
	s.result.QueueID = queueID(reply.Text)
	s.passed(probes.StageData, s.result.Accepted.Sub(began))
	return nil
}

// data sends the message and reads the final reply. The message is handed over
// once its final dot has been written without an error: before that the server
// must not deliver it (RFC 5321 section 4.1.1.4), after that it may.
func (s *session) data(message []byte) (probes.Reply, error) {
	s.arm()
	w, err := s.client.Data()
	if err := s.wire.whole(err); err != nil {
		return probes.Reply{}, err
	}
	s.tap.Note("the message, %d bytes", len(message))
	s.tap.Quiet(true)
	if _, err := w.Write(message); err != nil {
		return probes.Reply{}, fmt.Errorf("sending the message: %w", err)
	}
	s.arm()
	resp, err := w.CloseWithResponse()
	s.tap.Quiet(false)
	s.dot = s.wire.wrote == nil
	if err := s.wire.whole(nil); err != nil {
		return probes.Reply{}, err
	}
	if reply, ok := s.refusal(err); ok && reply.Code/100 == 2 { // the first digit counts, RFC 5321 section 4.2.1
		return reply, nil
	}
	if err != nil {
		return probes.Reply{}, err
	}
	return s.reply(250, resp.StatusText), nil
}

// quitGrace bounds, in time, the goodbye to a server that has already answered.
const quitGrace = time.Second

// settle ends the watch over the context once the outcome is known. A context
// that has ended meanwhile has closed the connection.
func (s *session) settle() {
	if s.guard != nil && !s.stop() {
		s.broken = true
	}
}

// close says QUIT where the dialogue is in step, and closes the connection. The
// session has been settled.
func (s *session) close() {
	if s.guard == nil {
		return // never connected
	}
	if !s.broken {
		s.guard.Arm(guard.SMTPReply, time.Now().Add(quitGrace))
		if _, err := io.WriteString(s.conn, "QUIT\r\n"); err == nil {
			s.conn.Read(make([]byte, 512)) // the reply, if any: the outcome is known
		}
	}
	s.guard.Close()
}
