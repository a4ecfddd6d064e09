package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/vote"
)

// TestRunbookHasASection: nobody is told of something that the runbook does not
// know, and no reason stands in a drawing without an explanation.
func TestRunbookHasASection(t *testing.T) {
	b, err := os.ReadFile("RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	sections, current := map[string]string{}, ""
	for line := range strings.SplitSeq(string(b), "\n") {
		if s, ok := strings.CutPrefix(line, "## "); ok {
			current = strings.ToLower(s)
			continue
		}
		sections[current] += line + "\n"
	}
	for _, subject := range []string{incident.Outage, incident.Degraded, incident.Account, incident.Regional, incident.Blind} {
		if !strings.Contains(sections[subject], "\nDo") {
			t.Errorf("no section on %q that says what to do", subject)
		}
	}
	for notice, section := range map[incident.NoticeKind]string{
		incident.NoticeOpened: "outage", incident.NoticeRecovering: "recovering", incident.NoticeReopened: "reopened",
		incident.NoticeClosed: "closed", incident.NoticeRegional: "regional", incident.NoticeRegionalOver: "regional",
		incident.NoticeBlind: "blind", incident.NoticeBlindOver: "blind",
	} {
		if text := sections[section]; !strings.Contains(text, "\nDo") {
			t.Errorf("no section for the notice %q that says what to do", notice)
		} else if strings.HasSuffix(string(notice), "-over") && !strings.Contains(text, "*"+string(notice)+"*") {
			t.Errorf("section %q does not say what %s is", section, notice)
		}
	}
	for r := vote.None + 1; !strings.HasPrefix(r.String(), "reason("); r++ {
		if !strings.Contains(sections["words of the drawing"], "\n| "+r.String()+" |") {
			t.Errorf("the reason %q is not explained", r)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([\w-]+)\)`).FindAllStringSubmatch(string(b), -1) {
		if _, ok := sections[strings.ReplaceAll(m[1], "-", " ")]; !ok {
			t.Errorf("a link to #%s, which is no section", m[1])
		}
	}
}
