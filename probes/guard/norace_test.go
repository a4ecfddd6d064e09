//go:build !race

package guard_test

import "mailquorum/probes/guard"

// fetchBudget is that of a FETCH.
const fetchBudget = guard.IMAPFetch
