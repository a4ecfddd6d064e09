// Package check sends one canary per route now and says how each went: the
// first thing that a new user runs, and what a Nagios calls. It needs neither
// journal nor mesh. Its canaries carry a key of their own, so an agent that
// reads the same mailbox leaves them alone.
package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"mailquorum/agent"
	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/submit"
)

// Options are what a check needs.
type Options struct {
	Routes    []agent.Route
	Mailboxes []collect.Config
	Cluster   string
	Region    string
	Deadline  time.Duration // a canary that is not there by then is reported missing
	Progress  func(Step)    // called with each stage as it ends; one call at a time; may be nil
}

// Step is one stage of one route's canary that ended.
type Step struct {
	Route    string
	Stage    probes.Stage
	Duration time.Duration
	Err      error // of the stage, if it failed
}

// Result is how one route's canary went.
type Result struct {
	Route   string          `json:"route"`
	Service string          `json:"service"`
	OK      bool            `json:"ok"` // delivered to the inbox in time
	Outcome probes.Outcome  `json:"outcome"`
	Stage   probes.Stage    `json:"stage,omitempty"` // where it failed
	Latency time.Duration   `json:"latency_ns,omitempty"`
	Timings []probes.Timing `json:"timings"`
	Reply   string          `json:"reply,omitempty"` // the server's last words
	QueueID string          `json:"queue_id,omitempty"`
	TLS     probes.TLSFacts `json:"tls,omitzero"`
	Folder  string          `json:"folder,omitempty"`
	Hops    []probes.Hop    `json:"hops,omitempty"`
	Auth    string          `json:"authentication,omitempty"` // what the receiver found: "spf=pass dkim=pass dmarc=pass"
	Altered []string        `json:"altered,omitempty"`        // header fields that changed on the way
	Error   string          `json:"error,omitempty"`
	Hint    string          `json:"hint,omitempty"` // what to do about it
}

// sighting is a canary of this check, found.
type sighting struct {
	id probes.ID
	collect.Sighting
}

// run is one check under way.
type run struct {
	opt  Options
	key  probes.Key
	mu   sync.Mutex // over Progress, and the fields below
	wait map[probes.ID]chan sighting
	read map[string]*reading // by mailbox
}

// reading is how the read side of a mailbox fares.
type reading struct {
	where string        // the mailbox and its server, for people
	first chan struct{} // closed once it was read, or could not be

	mu     sync.Mutex
	told   bool
	newest *probes.Error // nil: it was read
}

func newReading(c collect.Config) *reading {
	return &reading{where: "mailbox " + c.Name + " at " + c.Address, first: make(chan struct{})}
}

// tell takes note of a failure, or with nil of a complete look.
func (r *reading) tell(err *probes.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = nil
	if err != nil {
		r.newest = at(r.where, err)
	}
	if !r.told {
		r.told = true
		close(r.first)
	}
}

// err returns the newest failure, nil if the mailbox was read since.
func (r *reading) err() *probes.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// at returns e with the server at which it happened in its text.
func at(where string, e *probes.Error) *probes.Error {
	located := *e
	switch {
	case e.Err != nil:
		located.Err = fmt.Errorf("%s: %w", where, e.Err)
	case e.Reply.Code != 0:
		located.Err = fmt.Errorf("%s: %s", where, e.Reply)
	}
	return &located
}

// Run checks all routes at once. It blocks until each canary was seen, failed or
// missed its deadline.
func Run(ctx context.Context, opt Options) []Result {
	seed := make([]byte, 32)
	rand.Read(seed) // never fails, crypto/rand
	c := &run{opt: opt, key: probes.NewKey(seed), wait: map[probes.ID]chan sighting{}, read: map[string]*reading{}}
	readCtx, stop := context.WithCancel(ctx)
	defer stop()
	boxes := map[string]*collect.Mailbox{}
	var readers sync.WaitGroup
	for _, mc := range opt.Mailboxes {
		c.read[mc.Name] = newReading(mc)
		box := collect.New(mc, c.handler(mc.Name))
		boxes[mc.Name] = box
		readers.Go(func() { _ = box.Run(readCtx) }) // its failures came through the handler
	}
	results := make([]Result, len(opt.Routes))
	var wg sync.WaitGroup
	for i, r := range opt.Routes {
		wg.Go(func() { results[i] = c.route(ctx, r, boxes[r.Mailbox]) })
	}
	wg.Wait()
	// Canaries that were seen are deleted by their mailbox; give it a moment.
	time.Sleep(200 * time.Millisecond)
	stop()
	readers.Wait()
	return results
}

// handler passes on what a mailbox sees.
func (c *run) handler(mailbox string) collect.Handler {
	return collect.Handler{
		Seen: func(s collect.Sighting) bool {
			for _, t := range s.Tags {
				if id, ok := c.key.Verify(t); ok {
					c.mu.Lock()
					ch := c.wait[id]
					c.mu.Unlock()
					if ch != nil {
						select {
						case ch <- sighting{id, s}:
						default: // a second copy
						}
					}
					return true
				}
			}
			return false
		},
		Scanned: func(time.Time) { c.read[mailbox].tell(nil) },
		Failed:  c.read[mailbox].tell,
	}
}

func (c *run) step(s Step) {
	if c.opt.Progress == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opt.Progress(s)
}

// route checks one route: its mailbox first, so that a wrong password there is
// told before any mail is sent.
func (c *run) route(ctx context.Context, r agent.Route, box *collect.Mailbox) Result {
	res := Result{Route: r.Name, Service: r.Service, Outcome: probes.Unknown}
	began := time.Now()
	if err := c.mailbox(ctx, r.Mailbox); err != nil {
		res.fail(err)
		c.step(Step{r.Name, probes.StageRetrieve, time.Since(began), err})
		return res
	}
	c.step(Step{r.Name, probes.StageRetrieve, time.Since(began), nil})

	canary := probes.Canary{ID: probes.NewID(), Route: r.Name, Service: r.Service, Sent: time.Now()}
	letter := probes.Letter{Canary: canary, Tag: c.key.Tag(canary.ID), From: r.Submit.From, To: r.To,
		Cluster: c.opt.Cluster, Region: c.opt.Region, Date: canary.Sent}
	if err := letter.Validate(); err != nil {
		res.fail(probes.AsError(probes.StageEnvelope, err))
		return res
	}
	seen := make(chan sighting, 1)
	c.mu.Lock()
	c.wait[canary.ID] = seen
	c.mu.Unlock()

	sub, err := submit.Send(ctx, withTo(r), letter.Bytes(), func(t probes.Timing) { c.step(Step{r.Name, t.Stage, t.Duration, nil}) })
	res.Timings, res.QueueID, res.TLS, res.Reply = sub.Timings, sub.QueueID, sub.TLS, sub.Reply.String()
	if e := probes.AsError(probes.StageNone, err); e != nil {
		if e.Stage != probes.StageNone {
			e = at(server(r.Submit, sub), e)
		}
		res.fail(e)
		c.step(Step{r.Name, e.Stage, 0, e})
		if e.Outcome != probes.Ambiguous {
			return res
		}
	}
	c.await(ctx, r, box, letter, sub, seen, &res)
	return res
}

// server names the server that a submission was for.
func server(cfg submit.Config, sub submit.Result) string {
	switch {
	case cfg.Domain == "":
		return cfg.Address
	case sub.Server == "":
		return cfg.Domain
	}
	return cfg.Domain + " (" + sub.Server + ")"
}

func withTo(r agent.Route) submit.Config {
	cfg := r.Submit
	cfg.To = r.To
	return cfg
}

// mailbox waits until the mailbox was read once.
func (c *run) mailbox(ctx context.Context, name string) *probes.Error {
	r := c.read[name]
	select {
	case <-r.first:
		return r.err()
	case <-ctx.Done():
		return probes.AsError(probes.StageRetrieve, context.Cause(ctx))
	case <-time.After(c.opt.Deadline):
		return at(r.where, &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Failed, Temporary: true,
			Err:  fmt.Errorf("could not be read within %v", c.opt.Deadline),
			Hint: "its server has neither let us in nor refused: check address and tls; with --deadline the check waits longer"})
	}
}

// await waits for the canary's arrival.
func (c *run) await(ctx context.Context, r agent.Route, box *collect.Mailbox, letter probes.Letter, sub submit.Result, seen chan sighting, res *Result) {
	box.Expect(c.opt.Deadline)
	deadline := time.NewTimer(c.opt.Deadline)
	defer deadline.Stop()
	select {
	case s := <-seen:
		transit := s.At.Sub(sub.Accepted)
		if sub.Accepted.IsZero() {
			transit = 0
		}
		res.Timings = append(res.Timings, probes.Timing{Stage: probes.StageTransit, Duration: max(0, transit)})
		res.Latency, res.Folder = s.At.Sub(letter.Canary.Sent), s.Folder
		res.Hops, res.Altered = probes.ParseHops(s.Header), letter.Altered(s.Header)
		auth, _ := probes.ParseAuthResults(s.Header, "")
		res.Auth = auth.String()
		res.Outcome, res.OK, res.Stage, res.Error = probes.Delivered, true, probes.StageNone, ""
		if s.Junk {
			res.Outcome, res.OK = probes.Junked, false
			res.Error = "delivered, but into the junk folder " + probes.Clean(s.Folder)
			res.Hint = "mark the mail as no junk, or add a filter for the sender; see the provider's page in docs/providers"
		}
		c.step(Step{r.Name, probes.StageTransit, max(0, transit), nil})
	case <-deadline.C:
		if err := c.read[r.Mailbox].err(); err != nil { // it may be there: nobody can see
			res.fail(err)
			c.step(Step{r.Name, probes.StageRetrieve, c.opt.Deadline, err})
			return
		}
		res.fail(&probes.Error{Stage: probes.StageTransit, Outcome: probes.Lost, Err: fmt.Errorf("accepted, and not in mailbox %s after %v", r.Mailbox, c.opt.Deadline),
			Hint: "is " + r.To + " really delivered to that mailbox? Look for a rule that moves the mail, and into quarantine; with --deadline the check waits longer"})
		c.step(Step{r.Name, probes.StageTransit, c.opt.Deadline, errors.New("not there")})
	case <-ctx.Done():
		res.fail(&probes.Error{Stage: probes.StageTransit, Outcome: probes.Unknown, Err: context.Cause(ctx)})
	}
}

func (r *Result) fail(e *probes.Error) {
	r.Outcome, r.Stage, r.Error, r.Hint = e.Outcome, e.Stage, e.Error(), e.Hint
	if e.Reply.Code != 0 {
		r.Reply = e.Reply.String()
	}
}
