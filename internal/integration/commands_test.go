//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mailquorum/agent/check"
	"mailquorum/internal/api"
)

// command runs the program to its end, and returns what it said and its exit code.
func (c *cluster) command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(c.program, args...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatalf("mailquorum %s: %v", strings.Join(args, " "), err)
	}
	c.said = append(c.said, out.String(), errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs the program and wants it to succeed.
func (c *cluster) must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := c.command(t, args...)
	if code != 0 {
		t.Fatalf("mailquorum %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// `mailquorum check`, the first thing that a new user runs.
func checkCommand(s *scene) {
	for _, agent := range s.agents[:3] {
		out, errs, code := s.command(s.T, "check", "--config", agent+".yaml")
		if code != 0 || !strings.Contains(out, "delivered") || !strings.Contains(out, "TLS 1.3") {
			s.Errorf("check of %s: exit code %d\n%s%s", agent, code, out, errs)
		}
		s.Logf("check of %s:\n%s%s", agent, out, errs)
	}
	out, errs, code := s.command(s.T, "check", "--config", "agent-1.yaml", "--output", "json")
	var results []check.Result
	if err := json.Unmarshal([]byte(out), &results); err != nil || code != 0 || len(results) != 1 || !results[0].OK || results[0].QueueID == "" {
		s.Errorf("check as JSON: exit code %d, %v\n%s%s", code, err, out, errs)
	}
	out, errs, code = s.command(s.T, "check", "--config", "agent-1.yaml", "--output", "nagios", "inbound")
	if code != 0 || !strings.HasPrefix(out, "MAILQUORUM OK - 1 of 1 routes deliver | 'inbound'=") {
		s.Errorf("check for Nagios: exit code %d\n%s%s", code, out, errs)
	}
	s.checkFailures()
	if n := s.set(s, "count", "agent1"); n != "0" && n != "1" { // at most one of the agent's own
		s.Errorf("%s mails are left in the mailbox", n)
	}
	s.quiet()
}

// checkFailures wants each failure to be told with its exit code and its cure.
func (s *scene) checkFailures() {
	s.set(s, "reject", "agent6")
	other := s.edit("agent-6.yaml", "agent-1.yaml", "agent1@", "agent6@", "agent-1.password", "agent-6.password")
	s.write(s.T, "agent-6.password", "secret-agent6\n")
	wrong := s.edit("wrong.yaml", other, "agent-6.password", "wrong.password")
	s.write(s.T, "wrong.password", "wrongMarkerPassword\n")
	gone := s.edit("gone.yaml", other, s.address(465), "localhost:9")
	for _, c := range []struct {
		file   string
		args   []string
		code   int
		want   []string
		before func()
	}{
		{other, nil, 1, []string{"policy (envelope)", "550 5.7.1"}, nil},
		{other, []string{"--output", "nagios"}, 1, []string{"MAILQUORUM WARNING - 0 of 1 routes deliver; inbound: "}, nil},
		{wrong, nil, 1, []string{"auth_failed", "what to do: the server refuses the login: check user name and password"}, func() { s.set(s, "normal", "agent6") }},
		{wrong, []string{"--output", "nagios"}, 2, []string{"MAILQUORUM CRITICAL - "}, nil},
		{gone, nil, 1, []string{"failed (connect)", "127.0.0.1:9", "refused", "what to do: nothing listens on that port"}, nil},
		{gone, []string{"--output", "nagios"}, 2, []string{"MAILQUORUM CRITICAL - "}, nil},
		{"absent.yaml", []string{"--output", "nagios"}, 3, []string{"MAILQUORUM UNKNOWN - "}, nil},
	} {
		if c.before != nil {
			c.before()
		}
		out, errs, code := s.command(s.T, append([]string{"check", "--config", c.file, "--deadline", "20s"}, c.args...)...)
		s.Logf("check of %s %v: exit code %d\n%s%s", c.file, c.args, code, out, errs)
		if code != c.code {
			s.Errorf("check of %s %v: exit code %d, want %d", c.file, c.args, code, c.code)
		}
		for _, w := range c.want {
			if !strings.Contains(out+errs, w) {
				s.Errorf("check of %s %v does not say %q", c.file, c.args, w)
			}
		}
	}
}

// edit writes a copy of a configuration with strings replaced, and returns its name.
func (s *scene) edit(to, from string, oldnew ...string) string {
	s.Helper()
	b, err := os.ReadFile(s.file(from))
	if err != nil {
		s.Fatal(err)
	}
	s.write(s.T, to, strings.NewReplacer(oldnew...).Replace(string(b)))
	return to
}

// `mailquorum status` and `mailquorum incidents` ask a running coordinator. The
// incident to show is opened for the purpose when no earlier part has left one.
func askCommands(s *scene) {
	url := "http://" + s.http(s.coords[1])
	out, errs, code := s.command(s.T, "status", "--url", url)
	if code != 0 || !strings.Contains(out, service) || !strings.Contains(out, "5 up of 5 (need 3)") {
		s.Errorf("status: exit code %d\n%s%s", code, out, errs)
	}
	s.Logf("status:\n%s", out)
	var st api.Status
	out, errs, code = s.command(s.T, "status", "--url", url, "--output", "json")
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 || st.Cluster != "integration" {
		s.Errorf("status as JSON: exit code %d, %v\n%s%s", code, err, out, errs)
	}
	all, err := fetch[[]api.Incident](s.cluster, s.coords[1], "/api/v1/incidents")
	if err != nil {
		s.Fatal(err)
	}
	if len(all) == 0 {
		s.set(s, "smtp-down")
		in := s.outage()
		if out, _, code := s.command(s.T, "status", "--url", url); code != 1 || !strings.Contains(out, "✗") {
			s.Errorf("status during an outage: exit code %d\n%s", code, out)
		}
		s.set(s, "smtp-up")
		all = []api.Incident{s.over(in)}
	}
	out = s.must(s.T, "incidents", "--url", url)
	s.Logf("incidents:\n%s", out)
	if !strings.Contains(out, all[0].ID) {
		s.Errorf("incidents does not list %s:\n%s", all[0].ID, out)
	}
	out = s.must(s.T, "incidents", "show", "--url", url, all[0].ID)
	s.Logf("incidents show:\n%s", out)
	if !strings.Contains(out, all[0].Key) {
		s.Errorf("incidents show %s:\n%s", all[0].ID, out)
	}
	if out, errs, code := s.command(s.T, "incidents", "show", "--url", url, "outage/none/1"); code != 1 || !strings.Contains(errs, "no incident") {
		s.Errorf("incidents show of none: exit code %d\n%s%s", code, out, errs)
	}
	if _, errs, code := s.command(s.T, "status", "--url", "http://127.0.0.1:9"); code != 3 || !strings.Contains(errs, "refused") {
		s.Errorf("status of nobody: exit code %d\n%s", code, errs)
	}
}

// SIGHUP with a broken file changes nothing; with a good one it takes it.
func reload(s *scene) {
	for _, node := range []string{s.agents[0], s.coords[0]} {
		good, err := os.ReadFile(s.file(node + ".yaml"))
		if err != nil {
			s.Fatal(err)
		}
		d := s.nodes[node]
		pid := d.cmd.Process.Pid
		s.write(s.T, node+".yaml", string(good)+"nonsense: true\n")
		refused := s.countLog(node, "the new configuration is refused")
		d.signal(syscall.SIGHUP)
		within(s.T, patience, node+" refuses a broken file", func() string {
			if s.countLog(node, "the new configuration is refused") == refused {
				return d.tail(3)
			}
			return ""
		})
		if _, err := s.get(node, "/-/healthy"); err != nil || !d.running() {
			s.Errorf("after a broken file: %v\n%s", err, d.tail(5))
		}
		if !strings.Contains(d.tail(5), "nonsense") || !strings.Contains(d.tail(5), node+".yaml line=") {
			s.Errorf("the log does not say what is wrong, and where:\n%s", d.tail(5))
		}
		s.write(s.T, node+".yaml", string(good))
		taken := s.countLog(node, "runs")
		d.signal(syscall.SIGHUP)
		within(s.T, patience, node+" takes a good file", func() string {
			if s.countLog(node, "runs") == taken {
				return d.tail(3)
			}
			return ""
		})
		if d.cmd.Process.Pid != pid || !d.running() {
			s.Errorf("%s ended:\n%s", node, d.tail(5))
		}
	}
	within(s.T, patience, "all is well again", s.unwell)
	for _, o := range []string{"lost", "unknown"} { // counted from the reload on
		if n, err := s.metric(s.agents[0], "mailquorum_canary_outcomes_total", fmt.Sprintf("outcome=%q", o)); n != 0 || err != nil {
			s.Errorf("%v canaries %s after the reload (%v)", n, o, err)
		}
	}
	s.quiet()
}

// countLog counts the lines of a node's log that hold a word.
func (s *scene) countLog(node, word string) int {
	s.Helper()
	b, err := os.ReadFile(s.nodes[node].log)
	if err != nil {
		s.Fatal(err)
	}
	return strings.Count(string(b), word)
}

// SIGTERM ends each with exit code 0, and nothing is left on the floor.
func stopAll(s *scene) {
	for _, d := range s.all() {
		if code := d.stop(); code != 0 {
			s.Errorf("%s ended with exit code %d:\n%s", d.name, code, d.tail(10))
		}
	}
	for _, agent := range s.agents {
		for id, c := range s.journal(agent) {
			if c.Outcome.Open() && c.Resolved.IsZero() && c.Sent.Before(s.began) {
				s.Errorf("%s: canary %v of %v is still %s", agent, id, c.Sent, c.Outcome)
			}
		}
	}
	if left, err := filepath.Glob(s.file("*.corrupt*")); err != nil || len(left) > 0 {
		s.Errorf("damaged journals: %v %v", left, err)
	}
}
