//go:build race

package guard_test

import "mailquorum/probes/guard"

// fetchBudget is smaller under the race detector, where the 200,000 small
// responses that fit into a FETCH take half a minute.
const fetchBudget = guard.IMAPReply
