package agent

import (
	"hash/fnv"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
)

// confirmRequest asks every region to probe a service now. It is current only
// while its sender's reports are, so an old one cannot be replayed.
type confirmRequest struct {
	Service uint16 `cbor:"1,keyasint"`
	Boot    uint64 `cbor:"2,keyasint"`
	Seq     uint64 `cbor:"3,keyasint"` // the sender's newest report at that time
}

// confirmBudget bounds the canaries sent because others ask: 12 tokens, one back
// per five sixths of an interval (50 s); and one request per origin and quarter
// of an interval.
type confirmBudget struct {
	tokens   float64
	refilled time.Time
	per      time.Duration
	pause    time.Duration
	heard    map[string]time.Time // by origin and service
	asked    map[string]time.Time // by service: our own requests
}

// confirmTokens is the most confirm canaries that can be sent in a burst.
const confirmTokens = 12

func newConfirmBudget(t roster.Timing) confirmBudget {
	return confirmBudget{tokens: confirmTokens, per: t.Interval * 5 / 6, pause: t.Interval / 4,
		heard: map[string]time.Time{}, asked: map[string]time.Time{}}
}

// take spends a token if there is one.
func (b *confirmBudget) take(now time.Time) bool {
	if !b.refilled.IsZero() {
		b.tokens = min(confirmTokens, b.tokens+float64(now.Sub(b.refilled))/float64(b.per))
	}
	b.refilled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// askForConfirmation asks the others to probe the services of which this agent
// has become suspicious.
func (a *Agent) askForConfirmation(now time.Time) {
	var out [][]byte
	a.mu.Lock()
	for _, r := range a.routes {
		if !r.evidence.Suspicious(now) || a.local.Doubtful(now) || a.incidents[incident.NewSubject(report.Outage, r.Service)].Open() ||
			now.Sub(a.confirms.asked[r.Service]) < a.confirms.pause {
			continue
		}
		a.confirms.asked[r.Service] = now
		body := report.Marshal(&confirmRequest{Service: uint16(r.place), Boot: a.boot, Seq: a.seq})
		out = append(out, report.Seal(a.cfg.Roster.Cluster, report.KindConfirm, a.cfg.Node, a.cfg.Key, body))
		a.kickTwice(now, r.place)
	}
	a.mu.Unlock()
	for _, raw := range out {
		a.metrics.confirm("sent")
		a.mesh.Send(raw)
	}
}

// heardConfirm honours another region's request. The caller holds the lock.
func (a *Agent) heardConfirm(now time.Time, from roster.Node, e report.Envelope) bool {
	var req confirmRequest
	if err := report.Unmarshal(e.Body, &req); err != nil || int(req.Service) >= len(a.cfg.Roster.Services) {
		a.metrics.report(report.Result(report.ErrMalformed))
		return false
	}
	entry := a.board.Entry(from.Name)
	if from.Role != roster.Agent || entry == nil || req.Boot != entry.Report.Boot {
		return false
	}
	age, known := a.board.Age(now, entry)
	if !known || age > a.timing.Fresh || req.Seq+uint64(a.timing.Fresh/a.timing.Alert) < entry.Report.Seq {
		a.metrics.confirm("expired")
		return false
	}
	service := a.cfg.Roster.Services[req.Service].Name
	slot := from.Name + "/" + service
	if now.Sub(a.confirms.heard[slot]) < a.confirms.pause {
		a.metrics.confirm("refused")
		return false
	}
	a.confirms.heard[slot] = now
	a.kickTwice(now, int(req.Service))
	return true
}

// kickTwice has each route of the service probed after a moment that differs by
// region, and again Timing.Confirm later. The caller holds the lock.
func (a *Agent) kickTwice(now time.Time, service int) {
	for _, r := range a.routes {
		if r.place != service || r.refused {
			continue
		}
		h := fnv.New32a()
		h.Write([]byte(a.cfg.Node + r.Name))
		first := time.Duration(float64(h.Sum32()%1000) / 1000 * float64(a.timing.Confirm) / 5)
		for _, wait := range []time.Duration{first, first + a.timing.Confirm} {
			if !a.confirms.take(now) {
				a.metrics.confirm("refused")
				return
			}
			a.metrics.confirm("honoured")
			time.AfterFunc(wait, func() {
				select {
				case r.kick <- struct{}{}:
				default: // canaries enough are on their way
				}
			})
		}
	}
}
