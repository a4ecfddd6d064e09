package submit

import (
	"errors"
	"testing"

	"mailquorum/probes"
)

func TestGreylisted(t *testing.T) {
	at := func(stage probes.Stage, code int, enhanced, text string) error {
		r := probes.Reply{Code: code, Enhanced: enhanced, Text: text}
		o, _ := classify(stage, r)
		return &probes.Error{Stage: stage, Outcome: o, Reply: r}
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{at(probes.StageEnvelope, 450, "4.2.0", "Recipient address rejected: Greylisted, see http://postgrey"), true},
		{at(probes.StageEnvelope, 451, "4.7.1", "Please try again later"), true},
		{at(probes.StageEnvelope, 451, "", "Graylisted, try again in 300 seconds"), true},
		{at(probes.StageEnvelope, 451, "4.7.500", "Server busy. Please try again later"), false},
		{at(probes.StageEnvelope, 450, "4.7.1", "too many messages from your address"), false},
		{at(probes.StageEnvelope, 452, "4.3.1", "insufficient system storage"), false},
		{at(probes.StageData, 451, "4.7.1", "greylisted"), false}, // after the message nobody knows
		{at(probes.StageEnvelope, 550, "5.7.1", "greylist"), false},
		{errors.New("greylisted"), false},
		{nil, false},
	} {
		if got := Greylisted(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
