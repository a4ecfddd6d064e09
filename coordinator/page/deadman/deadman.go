// Package deadman pings a dead-man switch: a service that tells people when the
// pings stop. It goes out only while this node is well, so its silence speaks
// for everything that can go wrong here: the process, the machine, the network,
// and too few fresh regions.
package deadman

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"mailquorum/coordinator/page/post"
)

// Config is a switch.
type Config struct {
	Post  post.Config
	Every time.Duration // zero: 60s
	// Well returns nil while the node's loop runs and q regions are fresh,
	// otherwise why not. It must not block.
	Well    func() error
	Observe func(result string) // "sent", "withheld" or "failed" for each period; may be nil
	Log     *slog.Logger
}

// Pinger pings.
type Pinger struct {
	cfg  Config
	post *post.Client
}

// New checks the configuration.
func New(cfg Config) (*Pinger, error) {
	c, err := post.New(cfg.Post)
	if err != nil {
		return nil, fmt.Errorf("dead-man switch: %w", err)
	}
	if cfg.Every == 0 {
		cfg.Every = time.Minute
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string) {}
	}
	return &Pinger{cfg, c}, nil
}

// Run pings until ctx ends. It logs when its result changes, not at every ping.
func (p *Pinger) Run(ctx context.Context) {
	defer p.post.Close()
	tick := time.NewTicker(p.cfg.Every)
	defer tick.Stop()
	last := ""
	for {
		result, err := p.ping(ctx)
		if ctx.Err() != nil {
			return
		}
		p.cfg.Observe(result)
		if result != last && result != "sent" {
			p.cfg.Log.Warn("the dead-man switch is not pinged", "result", result, "error", err)
		} else if result != last && last != "" {
			p.cfg.Log.Info("the dead-man switch is pinged again")
		}
		last = result
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Pinger) ping(ctx context.Context) (string, error) {
	if err := p.cfg.Well(); err != nil {
		return "withheld", err
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Every)
	defer cancel()
	if _, err := p.post.Post(ctx, nil, nil); err != nil {
		return "failed", err
	}
	return "sent", nil
}
