// Package deploy holds what is installed beside the binary. Its tests keep the
// units, the example configurations and the runbook true.
package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mailquorum/internal/config"
)

// directives are the lines of a unit, "Section.Key", each with its values.
func directives(t *testing.T, path string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, section := map[string][]string{}, ""
	for i, line := range strings.Split(string(content), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if s, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(s, "]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section == "" || strings.HasSuffix(line, `\`) {
			t.Fatalf("%s:%d: %q is no directive", path, i+1, line)
		}
		out[section+"."+key] = append(out[section+"."+key], value)
	}
	return out
}

// wanted are directives without which a daemon would be less safe or less
// reliable, each with its reason.
var wanted = []struct{ key, value, reason string }{
	{"Unit.StartLimitIntervalSec", "0", "a monitor must not stay down after a few crashes"},
	{"Service.Type", "notify", "notify-reload is ignored by systemd 252"},
	{"Service.ExecReload", "/bin/kill -HUP $MAINPID", "a reload keeps the process when the file is bad"},
	{"Service.WatchdogSec", "30s", "a stuck daemon is blind"},
	{"Service.Restart", "always", "the mesh's library cannot be recovered from a panic"},
	{"Service.RestartSec", "500ms", "half a second of blindness at most"},
	{"Service.RestartPreventExitStatus", "78", "a wrong configuration is not mended by trying again; 2 would be a panic, which is"},
	{"Service.DynamicUser", "yes", "no user of its own to manage, and none shared"},
	{"Service.StateDirectoryMode", "0700", "the journal is nobody else's"},
	{"Service.UMask", "0077", "files are nobody else's"},
	{"Service.NoNewPrivileges", "yes", "sandbox"},
	{"Service.CapabilityBoundingSet", "", "no port below 1024 is needed"},
	{"Service.AmbientCapabilities", "", "the same"},
	{"Service.ProtectSystem", "strict", "only the state directory is written"},
	{"Service.ProtectHome", "yes", "sandbox"},
	{"Service.PrivateTmp", "yes", "sandbox"},
	{"Service.PrivateDevices", "yes", "sandbox"},
	{"Service.PrivateUsers", "yes", "sandbox"},
	{"Service.ProtectHostname", "yes", "sandbox"},
	{"Service.ProtectClock", "yes", "sandbox"},
	{"Service.ProtectKernelTunables", "yes", "sandbox"},
	{"Service.ProtectKernelModules", "yes", "sandbox"},
	{"Service.ProtectKernelLogs", "yes", "sandbox"},
	{"Service.ProtectControlGroups", "yes", "sandbox"},
	{"Service.ProtectProc", "invisible", "other processes are none of its business"},
	{"Service.ProcSubset", "pid", "the same"},
	{"Service.RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX", "AF_UNIX is for sd_notify and nothing else"},
	{"Service.RestrictNamespaces", "yes", "sandbox"},
	{"Service.RestrictRealtime", "yes", "sandbox"},
	{"Service.RestrictSUIDSGID", "yes", "sandbox"},
	{"Service.LockPersonality", "yes", "sandbox"},
	{"Service.MemoryDenyWriteExecute", "yes", "Go makes no code at run time"},
	{"Service.SystemCallArchitectures", "native", "sandbox"},
	{"Service.LimitCORE", "0", "a core dump holds passwords"},
	{"Install.WantedBy", "multi-user.target", "started at boot"},
}

// ignored are directives that systemd 252 ignores without a word.
var ignored = []string{"Service.ImportCredential", "Service.RestartSteps", "Service.RestartMaxDelaySec"}

func TestUnits(t *testing.T) {
	for _, kind := range []config.Kind{config.KindAgent, config.KindCoordinator} {
		path := "systemd/mailquorum-" + string(kind) + ".service"
		d := directives(t, path)
		for _, w := range wanted {
			if !slices.Contains(d[w.key], w.value) || len(d[w.key]) != 1 {
				t.Errorf("%s: %s is %q, want %q: %s", path, w.key, d[w.key], w.value, w.reason)
			}
		}
		for _, key := range ignored {
			if len(d[key]) > 0 {
				t.Errorf("%s: %s is ignored by systemd 252", path, key)
			}
		}
		if got, want := d["Service.SystemCallFilter"], []string{"@system-service", "~@privileged @resources"}; !slices.Equal(got, want) {
			t.Errorf("%s: SystemCallFilter %q, want %q", path, got, want)
		}
		if got, want := d["Service.ExecStart"], "/usr/bin/mailquorum "+string(kind)+" --config /etc/mailquorum/"+string(kind)+".yaml"; !slices.Equal(got, []string{want}) {
			t.Errorf("%s: ExecStart %q, want %q", path, got, want)
		}
		// Two daemons on one host must not share a directory: their users differ.
		if got := d["Service.StateDirectory"]; !slices.Equal(got, []string{"mailquorum/" + string(kind)}) {
			t.Errorf("%s: StateDirectory %q", path, got)
		}
		example, err := config.Example(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^[^#\n]*: credential:([\w-]+)`).FindAllSubmatch(example, -1) {
			name := string(m[1])
			if !slices.ContainsFunc(d["Service.LoadCredential"], func(v string) bool { return strings.HasPrefix(v, name+":/etc/mailquorum/") }) {
				t.Errorf("%s: no LoadCredential= for %s, which `config example %s` refers to", path, name, kind)
			}
		}
	}
}

// TestAgentsHoldNoPagerKeys: what one host gives away must not open the other's doors.
func TestAgentsHoldNoPagerKeys(t *testing.T) {
	for _, v := range directives(t, "systemd/mailquorum-agent.service")["Service.LoadCredential"] {
		if strings.Contains(v, "pager") {
			t.Errorf("the agent's unit loads %s", v)
		}
	}
	for _, v := range directives(t, "systemd/mailquorum-coordinator.service")["Service.LoadCredential"] {
		if strings.Contains(v, "imap") || strings.Contains(v, "smtp") {
			t.Errorf("the coordinator's unit loads %s", v)
		}
	}
}

// TestUnitsVerify lets systemd itself read the units, where it is installed: it
// must have nothing to say. TestUnits holds what matters everywhere.
func TestUnitsVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd-analyze here: only TestUnits was applied")
		return
	}
	for _, kind := range []string{"agent", "coordinator"} {
		name := "mailquorum-" + kind + ".service"
		unit, err := os.ReadFile(filepath.Join("systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		// What is not installed here would be complained of: /bin/kill stands in.
		unit = bytes.ReplaceAll(unit, []byte("/usr/bin/mailquorum"), []byte("/bin/kill"))
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, unit, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("%s: systemd-analyze verify: %v\n%s", name, err, out)
		}
		// Exposure in tenths, 0 to 100.
		if out, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=15", "--no-pager", path).CombinedOutput(); err != nil {
			t.Errorf("%s: systemd-analyze security: %v\n%s", name, err, out)
		}
	}
}
