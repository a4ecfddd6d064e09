package agent

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"mailquorum/agent/journal"
	"mailquorum/probes"
	"mailquorum/probes/submit"
)

// keptDialogues bounds, for each route, the dialogues of accepted canaries that
// are kept in case one of them is lost or bounces.
const keptDialogues = 32

// kept is the dialogue of a canary that was accepted, or may have been.
type kept struct {
	id       probes.ID
	dialogue probes.Transcript
	hint     string
}

// keep keeps a submission's dialogue until its outcome is known. The caller holds
// the lock.
func (r *route) keep(id probes.ID, res submit.Result, err error) {
	if len(r.dialogues) == keptDialogues {
		r.dialogues = append(r.dialogues[:0], r.dialogues[1:]...)
	}
	k := kept{id: id, dialogue: res.Dialogue}
	if e := probes.AsError(probes.StageNone, err); e != nil {
		k.hint = e.Hint
	}
	r.dialogues = append(r.dialogues, k)
}

// kept takes the dialogue of a canary, if it is still there. The caller holds the
// lock.
func (r *route) kept(id probes.ID) (k kept) {
	for i := range r.dialogues {
		if r.dialogues[i].id == id {
			k = r.dialogues[i]
			r.dialogues = append(r.dialogues[:i], r.dialogues[i+1:]...)
			return k
		}
	}
	return k
}

// failed keeps what was said to a canary that failed, for whoever looks into it.
func (a *Agent) failed(r *route, c probes.Canary) {
	a.mu.Lock()
	k := r.kept(c.ID)
	a.mu.Unlock()
	if c.Outcome.Arrived() || len(k.dialogue.Lines) == 0 { // an older dialogue tells more than none
		return
	}
	a.saveFailure(journal.Submission, r.Name, journal.Failure{At: time.Now(), Canary: c.ID.String(), Outcome: c.Outcome, Stage: c.Stage,
		Error: probes.Clean(c.Error), Hint: k.hint, Dialogue: k.dialogue})
}

// failedRead keeps what was said in a session of a mailbox that failed.
func (a *Agent) failedRead(mailbox string, err *probes.Error) {
	a.saveFailure(journal.Retrieval, mailbox, journal.Failure{At: time.Now(), Outcome: err.Outcome, Stage: err.Stage,
		Error: probes.Clean(err.Error()), Hint: err.Hint, Dialogue: a.boxes[mailbox].Dialogue()})
}

func (a *Agent) saveFailure(side journal.Side, name string, f journal.Failure) {
	if err := a.cfg.Journal.SaveFailure(side, name, f); err != nil {
		a.unjournalled("a transcript is not journalled", err, "of", name)
	}
}

// WriteTranscript writes, as plain text, what was said in the last failed
// submission of a route and in the last failed session of its mailbox. It holds
// no secret: there was none in what was recorded.
func WriteTranscript(w io.Writer, j *journal.Journal, route, mailbox string) error {
	for _, part := range []struct {
		side          journal.Side
		name, heading string
	}{
		{journal.Submission, route, "route " + route + ", the last canary that failed"},
		{journal.Retrieval, mailbox, "mailbox " + mailbox + ", the last session that failed"},
	} {
		f, ok, err := j.Failure(part.side, part.name)
		if err != nil {
			return err
		}
		if !ok {
			fmt.Fprintf(w, "%s: none so far\n\n", part.heading)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", part.heading, f.At.UTC().Format(time.RFC3339))
		what := f.Outcome.String()
		if f.Stage != probes.StageNone {
			what += " at stage " + f.Stage.String()
		}
		if f.Canary != "" {
			what = "canary " + f.Canary + " " + what
		}
		fmt.Fprintf(w, "  %s\n", what)
		if f.Error != "" {
			fmt.Fprintf(w, "  %s\n", f.Error)
		}
		if f.Hint != "" {
			fmt.Fprintf(w, "  what to do: %s\n", f.Hint)
		}
		fmt.Fprintf(w, "\n%s\n", f.Dialogue)
	}
	return nil
}

// transcript serves /debug/transcript/ROUTE.
func (a *Agent) transcript(w http.ResponseWriter, req *http.Request) {
	r := a.route(req.PathValue("route"))
	if r == nil {
		http.Error(w, "this agent has no such route", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := WriteTranscript(w, a.cfg.Journal, r.Name, r.Mailbox); err != nil {
		a.log.Error("a transcript cannot be read", "route", r.Name, "err", err)
		fmt.Fprintln(w, "the journal cannot be read: see the log")
	}
}
