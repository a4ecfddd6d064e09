package sim

import (
	"context"
	"fmt"
	"time"
)

// Case is a simulation with a name.
type Case struct {
	Name   string
	Report *Report
}

// Compare simulates the options as they are, and what another number of regions,
// another interval, and no confirmation would change. It is what answers "what do
// I get for five more regions?" before they are bought.
func Compare(ctx context.Context, o Options) ([]Case, error) {
	if o.Regions == 0 {
		o.Regions = 5
	}
	o.World.Timing = o.World.Timing.WithDefaults()
	t := o.World.Timing.Interval
	type variant struct {
		name string
		set  func(*Options)
	}
	all := []variant{{"as it is", func(*Options) {}}}
	for _, n := range []int{3, 5, 7} {
		if n != o.Regions {
			all = append(all, variant{fmt.Sprintf("%d regions", n), func(o *Options) { o.Regions = n }})
		}
	}
	for _, x := range []time.Duration{t / 2, 2 * t, 5 * t} {
		all = append(all, variant{fmt.Sprintf("T = %v", x), func(o *Options) { o.World.Timing.Interval = x }})
	}
	all = append(all, variant{"no confirmation", func(o *Options) { o.Rule.NoConfirm = true }})
	progress := o.Progress
	var out []Case
	for i, v := range all {
		c := o
		v.set(&c)
		if progress != nil {
			c.Progress = func(done, total int) { progress(i*1000+done*1000/total, len(all)*1000) }
		}
		r, err := Run(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("simulating %s: %w", v.name, err)
		}
		out = append(out, Case{v.name, r})
		if ctx.Err() != nil {
			break
		}
	}
	return out, nil
}
