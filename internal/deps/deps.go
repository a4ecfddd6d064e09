//go:build deps

// Package deps pins modules until the code that needs them has landed.
package deps

import (
	_ "github.com/PagerDuty/go-pagerduty"
	_ "github.com/VictoriaMetrics/metrics"
	_ "github.com/cenkalti/backoff/v5"
	_ "github.com/coreos/go-systemd/v22/daemon"
	_ "github.com/emersion/go-imap/v2/imapclient"
	_ "github.com/emersion/go-smtp"
)
