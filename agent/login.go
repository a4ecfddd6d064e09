package agent

import "mailquorum/probes"

// loggedIn takes note of how a submission fared at the stage auth. Providers lock
// an account into which a wrong password is tried often, so while a route's login
// is refused its canaries keep to the plain interval: they are sent no faster while
// an incident is open, and none is sent to confirm. A submission that gets past the
// login ends that; one that ends before it says nothing. The caller holds the lock.
func (r *route) loggedIn(err error) {
	e := probes.AsError(probes.StageNone, err)
	switch {
	case e != nil && e.Outcome == probes.AuthFailed:
		r.refused = true
	case e == nil, e.Stage > probes.StageAuth:
		r.refused = false
	}
}

// refused reports whether the route's login is refused.
func (a *Agent) refused(r *route) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return r.refused
}
