package sim

import (
	"fmt"

	"mailquorum/internal/roster"
)

// FromRoster returns the options that simulate one service of the user's own
// roster in a world: its timing, its voting regions with their failure domains,
// and its coordinators. Each region has one agent. It fails when the roster has no
// such service.
func FromRoster(r *roster.Roster, service string, w World) (Options, error) {
	if _, ok := r.Service(service); !ok {
		return Options{}, fmt.Errorf("the roster has no service %q", service)
	}
	o := Options{World: w, Coordinators: len(r.Coordinators())}
	o.World.Timing = r.Timing.WithDefaults()
	for _, g := range r.Voters(service) {
		o.Domains = append(o.Domains, g.FailureDomain())
	}
	o.Regions = len(o.Domains)
	return o, nil
}
