package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"mailquorum/coordinator/web"
	"mailquorum/probes/mailtest"
)

// PlayOptions are what `mailquorum demo` was asked for.
type PlayOptions struct {
	Once    bool   // end with the story
	Listen  string // host:port of the status page
	In      io.Reader
	Out     io.Writer
	Version string
}

// ErrNotSeen is returned when the story did not go as it should.
var ErrNotSeen = errors.New("the story did not go as it should")

// Play runs the world over loopback and tells the story. With Once it returns
// after it, ErrNotSeen among its errors unless all was seen; otherwise it goes on
// until ctx ends and lets the user break and mend the world.
func Play(ctx context.Context, opt PlayOptions) (err error) {
	dir, err := os.MkdirTemp("", "mailquorum-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	story := NewStory(opt.Out)
	w, err := NewWorld(Options{Fabric: NewLoopback(), Dir: dir, Timing: Timing(), Transit: 150 * time.Millisecond, Controls: 3, Version: opt.Version,
		Log: slog.New(slog.DiscardHandler), Observe: story.Observe})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	url, stop, err := servePage(w, story, opt.Listen)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Fprintf(opt.Out, "mailquorum demo: everything in one process, %d times faster than life.\nStatus page: %s\n", Scale, url)

	failed := story.Tell(ctx, w)
	if ctx.Err() != nil && !opt.Once {
		return nil
	}
	if len(failed) > 0 {
		fmt.Fprintf(opt.Out, "\nNot seen as it should have been:\n")
		for _, f := range failed {
			fmt.Fprintf(opt.Out, "  - %s\n", f)
		}
		if opt.Once {
			return ErrNotSeen
		}
	} else {
		fmt.Fprintf(opt.Out, "\nThe whole story was seen exactly so, in %.0f s.\n", time.Since(story.began).Seconds())
	}
	if opt.Once {
		return nil
	}
	fmt.Fprintf(opt.Out, "\nIt goes on: %s\n", url)
	return w.obey(ctx, story, opt.In, opt.Out)
}

// act is something that the user can do to the world.
type act struct {
	key, label string
	do         func(w *World) error
}

var acts = []act{
	{"h", "hold the mail in the queue", func(w *World) error { w.Provider.Set(mailtest.Hold); return nil }},
	{"r", "release it, deliver as usual", func(w *World) error { w.Provider.Release(); return nil }},
	{"l", "lose all mail silently", func(w *World) error { w.Provider.Set(mailtest.Drop); return nil }},
	{"s", "close the SMTP ports", func(w *World) error { return w.Provider.SMTPDown(true) }},
	{"S", "open the SMTP ports", func(w *World) error { return w.Provider.SMTPDown(false) }},
	{"i", "close the IMAP ports", func(w *World) error { return w.Provider.IMAPDown(true) }},
	{"I", "open the IMAP ports", func(w *World) error { return w.Provider.IMAPDown(false) }},
	{"c", "pull the cable of " + cutRegion, func(w *World) error { w.opt.Fabric.Isolate("agent-"+cutRegion, true); return nil }},
	{"C", "plug it in again", func(w *World) error { w.opt.Fabric.Isolate("agent-"+cutRegion, false); return nil }},
}

// obey does what is typed, a letter and return, until ctx ends or q is typed.
func (w *World) obey(ctx context.Context, s *Story, in io.Reader, out io.Writer) error {
	for _, a := range acts {
		fmt.Fprintf(out, "  %s  %s\n", a.key, a.label)
	}
	fmt.Fprintf(out, "  q  quit\nType a letter and return, or use the buttons on the page.\n\n")
	lines := make(chan string)
	go func() { // ends with the process: a read from a terminal cannot be interrupted
		sc := bufio.NewScanner(in)
		for sc.Scan() {
			lines <- strings.TrimSpace(sc.Text())
		}
		close(lines)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if line == "q" {
				return nil
			}
			if !ok {
				lines = nil // no terminal: go on until interrupted
				continue
			}
			i := slices.IndexFunc(acts, func(a act) bool { return a.key == line })
			if i < 0 {
				fmt.Fprintf(out, "no such letter: %q\n", line)
				continue
			}
			if err := acts[i].do(w); err != nil {
				return err
			}
			s.say("you: %s", acts[i].label)
		}
	}
}

// servePage serves the status page of the first coordinator, with buttons.
func servePage(w *World, s *Story, listen string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, fmt.Errorf("listening for the status page: %w", err)
	}
	var buttons []web.Button
	mux := http.NewServeMux()
	for i, a := range acts {
		path := fmt.Sprintf("/demo/%d", i)
		label := strings.ToUpper(a.label[:1]) + a.label[1:]
		buttons = append(buttons, web.Button{Label: label, Path: path})
		mux.HandleFunc("POST "+path, func(rw http.ResponseWriter, r *http.Request) {
			if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
				http.Error(rw, "only from this page", http.StatusForbidden)
				return
			}
			if err := a.do(w); err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
			s.say("you: %s", a.label)
			http.Redirect(rw, r, "/", http.StatusSeeOther)
		})
	}
	first := w.Coords["coord-1"]
	mux.Handle("/", web.Handler(first.Daemon, web.Options{Metrics: first.Metrics, Buttons: buttons}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends with ErrServerClosed
	}()
	return "http://" + l.Addr().String(), func() { srv.Close(); <-done }, nil
}
