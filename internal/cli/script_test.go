package cli

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what is said now over the files that the tests compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mailquorum": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestScript plays the command lines of testdata/script. In them $UP, $DOWN and
// $BROKEN are the addresses of coordinators that answer with the files of
// testdata, and $GONE is one where nothing listens.
func TestScript(t *testing.T) {
	serve := func(dir string) string {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/v1/{path...}", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, "testdata/"+dir+"/"+strings.ReplaceAll(r.PathValue("path"), "/", "_")+".json")
		})
		s := httptest.NewServer(mux)
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	urls := map[string]string{"UP": serve("up"), "DOWN": serve("down"), "BROKEN": serve("broken"), "GONE": gone.URL}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			for name, url := range urls {
				env.Setenv(name, url)
			}
			return nil
		},
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitCode, "pubkey": pubKey},
		UpdateScripts: *update,
	})
}

// exitCode runs a command and wants it to end with a code: exitcode 3 mailquorum ...
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// pubKey puts the public key that the last command printed in place of a word of
// a file: pubkey FILE WORD.
func pubKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pubkey FILE WORD")
	}
	key := strings.TrimSpace(ts.ReadFile("stdout"))
	content := strings.ReplaceAll(ts.ReadFile(args[0]), args[1], key)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}
