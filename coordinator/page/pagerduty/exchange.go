package pagerduty

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"mailquorum/coordinator/page"
	"mailquorum/probes"
)

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// exchange is the HTTP client of one call. It keeps what go-pagerduty throws away.
type exchange struct {
	http       *http.Client
	err        error // of the transport
	status     int
	retryAfter time.Duration
	body       string
}

// Do sends the request. An answer other than 2xx becomes an error, so that its
// body and headers are kept.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	resp, err := x.http.Do(req)
	if err != nil {
		x.err = err
		return nil, err
	}
	x.status = resp.StatusCode
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	if x.status/100 == 2 {
		return resp, nil
	}
	x.retryAfter = page.RetryAfter(resp.Header, time.Now())
	b, err := io.ReadAll(resp.Body)
	x.body = probes.Clean(string(b))
	return nil, errors.Join(fmt.Errorf("HTTP status %d", x.status), err, resp.Body.Close())
}

// verdict says what the call came to; nil means accepted. Only PagerDuty's own
// words count as acceptance: a proxy or a captive portal may answer 200.
func (x *exchange) verdict(answer *api.V2EventResponse, err error) *page.Error {
	switch {
	case x.err != nil:
		return &page.Error{Rejected: neverSent(x.err), Err: x.err}
	case x.status == http.StatusAccepted && err == nil && answer.Status == "success":
		return nil
	case x.status/100 == 2:
		return &page.Error{Err: fmt.Errorf("HTTP status %d, but not PagerDuty's answer", x.status)}
	case x.status == 0:
		return &page.Error{Rejected: true, Permanent: true, Err: err} // the event could not be encoded
	}
	out := &page.Error{RetryAfter: x.retryAfter, Err: fmt.Errorf("HTTP status %d: %s", x.status, x.body)}
	switch {
	case x.status == http.StatusTooManyRequests:
		out.Rejected = true
	case x.status == http.StatusRequestTimeout, x.status >= 500: // perhaps accepted, and only the answer failed
	case x.status/100 == 4:
		out.Rejected, out.Permanent = true, true
	}
	return out
}

// neverSent reports whether the connection failed before any of the request was
// written.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}
