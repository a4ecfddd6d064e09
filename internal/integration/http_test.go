package integration

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// asker asks the nodes; one that does not answer within it is not well.
var asker = http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get is what a node at that address answers to GET of a path; its error says
// why not.
func get(address, path string) (string, error) {
	resp, err := asker.Get("http://" + address + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %s", address, path, resp.Status)
	}
	return string(b), err
}

var sample = regexp.MustCompile(`(?m)^(mailquorum_[a-z_]+)(?:\{(.*)\})? (\S+)$`)

// metric sums the series of a family on a node whose labels hold each of these.
func metric(address, family string, labels ...string) (float64, error) {
	body, err := get(address, "/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range sample.FindAllStringSubmatch(body, -1) {
		if m[1] != family || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(m[2], l) }) {
			continue
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}
