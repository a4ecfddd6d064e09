package agent

import (
	"sync"
	"time"
)

// troublePause is the least time between two lines in the log about a journal that
// cannot be written: it fails for every canary.
const troublePause = time.Minute

// trouble is what was said about the journal in the log.
type trouble struct {
	mu     sync.Mutex
	said   time.Time
	unsaid int  // failures since
	lasts  bool // it was said, and nothing was written since
}

// unjournalled counts a failure of the journal, and logs one a minute.
func (a *Agent) unjournalled(what string, err error, args ...any) {
	a.metrics.journalError(err)
	now := time.Now()
	t := &a.trouble
	t.mu.Lock()
	if !t.said.IsZero() && now.Sub(t.said) < troublePause {
		t.unsaid++
		t.mu.Unlock()
		return
	}
	unsaid := t.unsaid
	t.said, t.unsaid, t.lasts = now, 0, true
	t.mu.Unlock()
	a.log.Error(what, append(args, "not_logged", unsaid, "err", err)...)
}

// journalled takes the news that something was written.
func (a *Agent) journalled() {
	t := &a.trouble
	t.mu.Lock()
	lasted := t.lasts
	t.lasts = false
	t.mu.Unlock()
	if lasted {
		a.log.Info("the journal is written again")
	}
}
