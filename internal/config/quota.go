package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Quota is what a provider lets one account send, as far as it is published.
type Quota struct {
	Provider  string
	PerDay    int // messages; 0: not known
	PerMinute int // messages; 0: not known
}

// quotaOf knows the submission servers of providers with published limits; a
// message of ours has one recipient. Sources are in docs/providers.
func quotaOf(host, username string) Quota {
	user := strings.ToLower(username)
	switch strings.ToLower(host) {
	case "smtp.gmail.com":
		if strings.HasSuffix(user, "@gmail.com") || strings.HasSuffix(user, "@googlemail.com") {
			return Quota{Provider: "Gmail for consumers", PerDay: 500}
		}
		return Quota{Provider: "Google Workspace", PerDay: 2000}
	case "smtp-relay.gmail.com":
		return Quota{Provider: "Google Workspace's relay", PerDay: 10000}
	case "smtp.office365.com":
		return Quota{Provider: "Microsoft 365", PerDay: 10000, PerMinute: 30}
	}
	return Quota{}
}

// Budget is what the routes of one agent send from one account.
type Budget struct {
	Account  string        // username at host, or the host without authentication
	Routes   []string      // their names
	Interval time.Duration // of the roster
	Agents   int           // agents of the roster in the same credential domain, this one included
	Quota    Quota
	at       string // path of the first route's submit section
}

// PerDay is the number of messages that this agent sends from the account in a
// day without incident; Busy while an incident is open all day (every quarter
// of the interval).
func (b Budget) PerDay() int {
	return int(int64(len(b.Routes)) * int64(24*time.Hour) / int64(b.Interval))
}

// Busy is the number of messages of a day throughout which an incident is open.
func (b Budget) Busy() int { return 4 * b.PerDay() }

// PerMinute is the most that this agent sends from the account in one minute:
// each route a quarter of the interval apart, and the 12 confirmations that
// peers may ask for at once.
func (b Budget) PerMinute() int {
	return len(b.Routes) * (int((4*time.Minute+b.Interval-1)/b.Interval) + 12)
}

// String is the arithmetic on one line.
func (b Budget) String() string {
	s := fmt.Sprintf("%s: %s × 86400 s / %s = %d messages a day, %d while an incident is open all day",
		b.Account, count(len(b.Routes), "route"), seconds(b.Interval), b.PerDay(), b.Busy())
	if b.Agents > 1 {
		s += fmt.Sprintf("; × %d agents of this credential domain = %d and %d", b.Agents, b.Agents*b.PerDay(), b.Agents*b.Busy())
	}
	if b.Quota.PerDay > 0 {
		s += fmt.Sprintf("; %s allows %d a day", b.Quota.Provider, b.Quota.PerDay)
	}
	if b.Quota.PerMinute > 0 {
		s += fmt.Sprintf(" and %d a minute", b.Quota.PerMinute)
	}
	return s
}

// Budgets returns what the agent sends, per account, in the order of the file.
func (a *Agent) Budgets() []Budget {
	var out []Budget
	for i, r := range a.Routes {
		host := hostOf(r.Submit.Address)
		account := host
		if r.Submit.MX != "" {
			account = "the exchangers of " + r.Submit.MX
		}
		if r.Submit.Username != "" {
			account = r.Submit.Username + " at " + host
		}
		j := slices.IndexFunc(out, func(b Budget) bool { return b.Account == account })
		if j < 0 {
			out = append(out, Budget{Account: account, Interval: a.Members.Timing.WithDefaults().Interval, Agents: 1,
				Quota: quotaOf(host, r.Submit.Username), at: fmt.Sprintf("routes[%d].submit", i)})
			j = len(out) - 1
			if r.Submit.Username != "" {
				out[j].Agents = a.sharers()
			}
		}
		out[j].Routes = append(out[j].Routes, r.Name)
	}
	return out
}

// sharers is the number of agents in this agent's credential domain.
func (a *Agent) sharers() int {
	if a.Self.Credentials == "" {
		return 1
	}
	n := 0
	for _, node := range a.Members.Nodes {
		if node.Role == a.Self.Role && node.Credentials == a.Self.Credentials {
			n++
		}
	}
	return max(1, n)
}

// quotas warns of accounts that send more than their provider allows.
func (l *loader) quotas(a *Agent) {
	for _, b := range a.Budgets() {
		quiet, busy := b.Agents*b.PerDay(), b.Agents*b.Busy()
		switch q := b.Quota; {
		case q.PerDay > 0 && quiet > q.PerDay:
			need := time.Duration(int64(len(b.Routes)*b.Agents) * int64(24*time.Hour) / int64(q.PerDay))
			l.d.warn(b.at, "more than the provider allows. %s. An interval of %s would do, or more accounts", b, short(roundUp(need)))
		case q.PerMinute > 0 && b.Agents*b.PerMinute() > q.PerMinute:
			l.d.warn(b.at, "a burst of confirmations may exceed what the provider allows: %d messages in one minute. %s", b.Agents*b.PerMinute(), b)
		case q.PerDay > 0 && busy > q.PerDay:
			hours := float64(q.PerDay) / float64(busy) * 24
			l.d.warn(b.at, "an incident of %.1f hours would use up the provider's allowance. %s", hours, b)
		}
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func seconds(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
}

// short writes a duration without its zero parts: 5m, not 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// roundUp is d rounded up to whole seconds.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
