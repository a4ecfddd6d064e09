package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailquorum/probes/mailtest"
)

// embedded starts the provider of package mailtest in this process, so that its
// own cost is not counted.
func embedded(b *testing.B) mailAccount {
	b.Helper()
	p, err := mailtest.StartProvider(mailtest.ProviderConfig{SMTPS: "127.0.0.1:0", IMAPS: "127.0.0.1:0", Names: []string{"127.0.0.1"},
		Users: []mailtest.User{{Name: "canary", Password: "password"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	ca := filepath.Join(b.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, p.CAPEM(), 0o600); err != nil {
		b.Fatal(err)
	}
	return mailAccount{smtps: p.Addr("smtps"), imaps: p.Addr("imaps"), address: "canary@provider.test", password: "password", caFile: ca}
}

// BenchmarkRoundTrip is what a canary costs an agent, from its row in the journal
// to its deletion from the mailbox, reports included: CPU time of the process.
func BenchmarkRoundTrip(b *testing.B) { roundTrip(b, embedded(b)) }

// BenchmarkIdle is what an agent with one route and a coordinator cost while
// nothing is wrong, with the default timing: resident memory, and CPU time.
func BenchmarkIdle(b *testing.B) { idle(b, embedded(b)) }

// roundTrip sends ten canaries a second for ten seconds, b.N times.
func roundTrip(b *testing.B, account mailAccount) {
	l := startLone(b, account, 10, "timing: {interval: 1s, deadline: 30s, drought: 10s}\n")
	delivered := func() float64 {
		n, err := metric(l.http, "mailquorum_canary_outcomes_total", `outcome="delivered"`)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	time.Sleep(2 * time.Second) // the first ones pay for what is done once
	began, cpu := delivered(), l.agent.cpu(b)
	b.ResetTimer()
	for range b.N {
		time.Sleep(10 * time.Second)
	}
	b.StopTimer()
	cpu = l.agent.cpu(b) - cpu
	n := delivered() - began
	if n < 20 {
		b.Fatalf("%v canaries in %d times 10 s", n, b.N)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu.Seconds()*1000/n, "cpu-ms/canary")
	b.ReportMetric(n/float64(b.N)/10, "canaries/s")
}

// idle watches an agent and a coordinator for ten seconds, b.N times.
func idle(b *testing.B, account mailAccount) {
	l := startLone(b, account, 1, "")
	time.Sleep(2 * time.Second)
	agent, coordinator := l.agent.cpu(b), l.coordinator.cpu(b)
	b.ResetTimer()
	for range b.N {
		time.Sleep(10 * time.Second)
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(l.agent.resident(b), "agent-MB")
	b.ReportMetric(l.coordinator.resident(b), "coordinator-MB")
	b.ReportMetric((l.agent.cpu(b)-agent).Seconds()*100/float64(b.N), "agent-cpu-ms/s")
	b.ReportMetric((l.coordinator.cpu(b)-coordinator).Seconds()*100/float64(b.N), "coordinator-cpu-ms/s")
}

// cpu is the CPU time that the process has used (clock_getcpuclockid(3)).
func (d *daemon) cpu(b *testing.B) time.Duration {
	b.Helper()
	const perProcessSched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^d.cmd.Process.Pid<<3|perProcessSched), &t); err != nil {
		b.Fatalf("CPU time of the %s: %v", d.name, err)
	}
	return time.Duration(t.Nano())
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// resident is the resident memory of the process in MB (2^20 bytes).
func (d *daemon) resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	m := residentLine.FindSubmatch(status)
	if m == nil {
		b.Fatalf("no VmRSS in /proc/%d/status", d.cmd.Process.Pid)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}
