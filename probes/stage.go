package probes

import (
	"fmt"
	"time"
)

// Stage is the part of the mail dialogue in which something took time or failed,
// in the order in which a canary passes them.
type Stage uint8

// The stages of a canary. Resolve to Data belong to the submission, Transit is
// the provider's own time, Retrieve is the read side (IMAP).
const (
	StageNone     Stage = iota
	StageResolve        // DNS of the submission host
	StageConnect        // TCP, and the server's greeting
	StageTLS            // handshake, or STARTTLS and handshake
	StageAuth           // SASL
	StageEnvelope       // MAIL FROM and RCPT TO
	StageData           // DATA to the final reply
	StageTransit        // final reply to DATA until the mail is in the mailbox
	StageRetrieve       // the IMAP side: connect, login, select, fetch
)

var stageNames = [...]string{"none", "resolve", "connect", "tls", "auth", "envelope", "data", "transit", "retrieve"}

// Stages lists all stages but StageNone, in the order of the dialogue.
func Stages() []Stage {
	return []Stage{StageResolve, StageConnect, StageTLS, StageAuth, StageEnvelope, StageData, StageTransit, StageRetrieve}
}

// String returns the stage's name as used in logs, metrics, journals and reports.
func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return fmt.Sprintf("stage(%d)", uint8(s))
}

// MarshalText writes the stage's name.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a stage's name.
func (s *Stage) UnmarshalText(b []byte) error {
	for i, n := range stageNames {
		if n == string(b) {
			*s = Stage(i)
			return nil
		}
	}
	return fmt.Errorf("unknown stage %q", b)
}

// Timing is the time that one stage took, on the monotonic clock of one host.
type Timing struct {
	Stage    Stage         `json:"stage"`
	Duration time.Duration `json:"ns"`
}
