package check

import (
	"bytes"
	"strings"
	"testing"

	"mailquorum/probes"
)

func TestAuthenticationIsShown(t *testing.T) {
	res := []Result{{Route: "a", OK: true, Outcome: probes.Delivered, Auth: "spf=pass dkim=fail"}, {Route: "b", OK: true, Outcome: probes.Delivered}}
	var table, doc bytes.Buffer
	if code := Table(&table, res); code != 0 {
		t.Errorf("code %d", code)
	}
	if s := table.String(); !strings.Contains(s, "AUTHENTICATION") || !strings.Contains(s, "spf=pass dkim=fail") {
		t.Errorf("the table:\n%s", s)
	}
	if _, err := JSON(&doc, res); err != nil || strings.Count(doc.String(), `"authentication": "spf=pass dkim=fail"`) != 1 || strings.Count(doc.String(), "authentication") != 1 {
		t.Errorf("%v\n%s", err, doc.String())
	}
}
