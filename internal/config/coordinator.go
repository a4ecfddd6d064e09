package config

// Coordinator is the configuration of `mailquorum coordinator`: a node that
// counts the votes, keeps the incidents, pages, and shows the state.
type Coordinator struct {
	// Node is the name of this coordinator in the roster. Required.
	Node string `yaml:"node"`

	// Roster is the path of the roster file, relative to this file. All nodes of
	// a cluster have the same roster; reports of another one are not counted.
	// Required.
	Roster string `yaml:"roster"`

	// Key says where this node's private key is, as `mailquorum key generate`
	// wrote it. Its public half must be the one that the roster has for this
	// node. Required.
	Key Secret `yaml:"key"`

	// State is the directory of the journal of incidents and pages. It must
	// survive restarts: a page that was decided and not yet sent is sent from
	// there. Default: $STATE_DIRECTORY, which systemd sets, else
	// /var/lib/mailquorum.
	State string `yaml:"state,omitempty"`

	// HTTP is where the status page, the API and metrics are served. Default: see
	// its fields.
	HTTP CoordinatorHTTP `yaml:"http,omitempty"`

	// Mesh is where this node listens for the others. Default: see its fields.
	Mesh Mesh `yaml:"mesh,omitempty"`

	// PagerDuty is where pages go. Give every coordinator the same: they agree
	// on who sends, and on one key per incident. Default: none; then nobody is
	// paged, with a warning.
	PagerDuty *PagerDuty `yaml:"pagerduty,omitempty"`

	// Log says how much is logged and in which form. Default: see its fields.
	Log Log `yaml:"log,omitempty"`

	Loaded `yaml:"-"`
}

// CoordinatorHTTP is the listener of a coordinator.
type CoordinatorHTTP struct {
	// Listen is the host:port on which the status page, /api/v1/, /metrics,
	// /-/healthy and /-/ready are served. Nobody is authenticated there: to show
	// it to others, put a proxy with TLS in front. Default: 127.0.0.1:9310.
	Listen string `yaml:"listen,omitempty"`

	// URL is the address at which people reach the status page, for links in
	// pages: http:// or https://. Default: http:// and the listen address.
	URL string `yaml:"url,omitempty"`
}

// PagerDuty is a service of PagerDuty with an integration of the type Events
// API v2.
type PagerDuty struct {
	// RoutingKey says where the integration key of that service is: 32
	// characters, on the integration's page. Required.
	RoutingKey Secret `yaml:"routing_key"`

	// URL is the endpoint, up to and without /v2/enqueue: https, or http to this
	// host. The European region has https://events.eu.pagerduty.com. Default:
	// https://events.pagerduty.com.
	URL string `yaml:"url,omitempty"`

	// Severity is that of an outage: critical, error, warning or info. Default:
	// critical.
	Severity string `yaml:"severity,omitempty"`
}
