//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"time"

	"mailquorum/agent/journal"
	"mailquorum/probes"
)

// open opens a copy of the journal of an agent that has ended.
func (s *scene) open(agent string) *journal.Journal {
	s.Helper()
	dir := s.TempDir()
	files, err := filepath.Glob(s.file(agent + ".state/agent.db*"))
	if err != nil || len(files) == 0 {
		s.Fatalf("%s has no journal (%v)", agent, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	j, err := journal.Open(filepath.Join(dir, "agent.db"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := j.Close(); err != nil {
			s.Error(err)
		}
	})
	return j
}

// unfinished are the canaries whose outcome is open in the journal of an agent
// that has ended.
func (s *scene) unfinished(agent string) map[probes.ID]probes.Canary {
	s.Helper()
	out := map[probes.ID]probes.Canary{}
	err := s.open(agent).Unfinished(time.Time{}, func(c probes.Canary) {
		if c.Outcome.Open() {
			out[c.ID] = c
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// journal are all canaries in the journal of an agent that has ended.
func (s *scene) journal(agent string) map[probes.ID]probes.Canary {
	s.Helper()
	j := s.open(agent)
	rows, err := j.DB().Query(`SELECT id FROM canary`)
	if err != nil {
		s.Fatal(err)
	}
	defer rows.Close()
	var ids []probes.ID
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			s.Fatal(err)
		}
		ids = append(ids, probes.ID(raw))
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	out := map[probes.ID]probes.Canary{}
	for _, id := range ids {
		c, ok, err := j.Canary(id)
		if !ok || err != nil {
			s.Fatalf("canary %v: %v", id, err)
		}
		out[id] = c
	}
	return out
}
