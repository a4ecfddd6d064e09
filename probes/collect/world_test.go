package collect

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

const host = "mail.provider.test"

var ours, theirs = probes.NewKey([]byte("ours")), probes.NewKey([]byte("theirs"))

// world is a provider, a mailbox that watches an account of it, and what the
// mailbox told.
type world struct {
	*testing.T
	net  *mailtest.Network
	p    *mailtest.Provider
	box  *Mailbox
	stop context.CancelFunc
	done chan error
	log  strings.Builder // what logger wrote; read it after end

	logger *slog.Logger

	mu     sync.Mutex
	seen   []Sighting
	scans  []time.Time
	failed []*probes.Error
	resets []string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, net: mailtest.NewNetwork()}
	w.logger = slog.New(slog.NewTextHandler(&w.log, nil))
	return w
}

// inWorld runs a test in virtual time with a provider.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, err := mailtest.StartProvider(mailtest.ProviderConfig{
			Listen: w.net.Listen, IMAPS: host + ":993", IMAP: host + ":143", IdleDelay: 500 * time.Millisecond,
			Users: []mailtest.User{{Name: "agent1", Password: "secret-1"}, {Name: "agent2", Password: "secret-2"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.p = p
		defer func() {
			w.end()
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(w)
	})
}

// inScript runs a test in virtual time with a server of the test's own making.
func inScript(t *testing.T, serve func(*script), test func(w *world)) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l, err := w.net.Listen(host + ":143")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { defer c.Close(); serve(newScript(c)) })
			}
		})
		defer wg.Wait()
		defer l.Close()
		defer w.end()
		test(w)
	})
}

func (w *world) config() Config {
	cfg := Config{Name: "box", Address: host + ":993", Username: "agent1", Password: secret.New("secret-1"),
		Dial: w.net.Dial("agent.test"), Log: w.logger}
	if w.p != nil {
		cfg.TLSConfig = &tls.Config{RootCAs: w.p.CA()}
	} else {
		cfg.Address, cfg.TLS = host+":143", Plain
	}
	return cfg
}

// start watches; change may be nil.
func (w *world) start(change func(*Config)) {
	w.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	w.box = New(cfg, Handler{
		Seen: func(s Sighting) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.seen = append(w.seen, s)
			for _, tag := range s.Tags {
				if _, ok := ours.Verify(tag); ok {
					return true
				}
			}
			return false
		},
		Scanned: func(at time.Time) { w.mu.Lock(); defer w.mu.Unlock(); w.scans = append(w.scans, at) },
		Failed:  func(err *probes.Error) { w.mu.Lock(); defer w.mu.Unlock(); w.failed = append(w.failed, err) },
		Reset:   func(why string) { w.mu.Lock(); defer w.mu.Unlock(); w.resets = append(w.resets, why) },
	})
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.done = stop, make(chan error, 1)
	box, done := w.box, w.done
	go func() { done <- box.Run(ctx) }()
	synctest.Wait()
}

// end stops watching: promptly, in no time at all.
func (w *world) end() {
	w.Helper()
	if w.stop == nil {
		return
	}
	before := time.Now()
	w.stop()
	if err := <-w.done; err != nil {
		w.Error("Run:", err)
	}
	if d := time.Since(before); d > 0 {
		w.Errorf("Run took %v to end", d)
	}
	w.stop = nil
}

// after lets time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func canary(k probes.Key, n byte) []byte {
	id := probes.ID{n}
	return probes.Letter{Canary: probes.Canary{ID: id}, Tag: k.Tag(id), From: "a@x.test", To: "b@x.test", Cluster: "c",
		Region: "r", Domain: "x.test", Date: time.Unix(0, 0)}.Bytes()
}

func foreign(n int) []byte {
	return fmt.Appendf(nil, "From: <a@b>\r\nMessage-ID: <%d@b>\r\nSubject: hello\r\n\r\nhi\r\n", n)
}

func (w *world) put(folder string, raw []byte) {
	w.Helper()
	if err := w.p.Put("agent1", folder, raw); err != nil {
		w.Fatal(err)
	}
}

func (w *world) count(folder string) int {
	w.Helper()
	n, err := w.p.Count("agent1", folder)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// own returns the numbers of the own canaries seen, in order.
func (w *world) own() (ids []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seen {
		for _, tag := range s.Tags {
			if id, ok := ours.Verify(tag); ok {
				ids = append(ids, int(id[0]))
			}
		}
	}
	return ids
}

func (w *world) wantOwn(want ...int) {
	w.Helper()
	if got := w.own(); !slices.Equal(got, want) {
		w.Errorf("own canaries seen: %v, want %v", got, want)
	}
}

func (w *world) last() Sighting {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		w.Fatal("nothing was seen")
	}
	return w.seen[len(w.seen)-1]
}

func (w *world) outcomes() (all []probes.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.failed {
		if e.Stage != probes.StageRetrieve {
			w.Errorf("%v: stage %v", e, e.Stage)
		}
		all = append(all, e.Outcome)
	}
	return all
}

func (w *world) wantFailures(want ...probes.Outcome) {
	w.Helper()
	if got := w.outcomes(); !slices.Equal(got, want) {
		w.Errorf("failures: %v, want %v\n%v", got, want, w.failed)
	}
}

func (w *world) scanCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.scans)
}

func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.resets)
}

func (w *world) seenCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

func (w *world) first() Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[0]
}

func (w *world) sightings() []Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

func (w *world) errors() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%v", w.failed)
}
