package config

import (
	"crypto/tls"
	"time"
)

// Agent is the configuration of `mailquorum agent`: the node that sends the
// canaries of one region, follows them to their mailbox, and votes.
type Agent struct {
	// Node is the name of this agent in the roster. Required.
	Node string `yaml:"node"`

	// Roster is the path of the roster file, relative to this file. All nodes of
	// a cluster have the same roster; reports of another one are not counted.
	// Required.
	Roster string `yaml:"roster"`

	// Key says where this node's private key is, as `mailquorum key generate`
	// wrote it. Its public half must be the one that the roster has for this
	// node. It signs reports, authenticates the node in the mesh, and marks the
	// canaries, so that nobody else's mail is taken for one. Required.
	Key Secret `yaml:"key"`

	// State is the directory of the journal of canaries. It must survive
	// restarts: without it, mail in flight would be forgotten and its loss never
	// seen. Default: $STATE_DIRECTORY, which systemd sets, else
	// /var/lib/mailquorum.
	State string `yaml:"state,omitempty"`

	// HTTP is where metrics and health are served. Default: see its fields.
	HTTP AgentHTTP `yaml:"http,omitempty"`

	// Mesh is where this node listens for the others. Default: see its fields.
	Mesh Mesh `yaml:"mesh,omitempty"`

	// Mailboxes are the accounts in which canaries arrive. Required: at least one.
	Mailboxes []Mailbox `yaml:"mailboxes"`

	// Routes are the paths of mail under watch: submit here, read there.
	// Required: at least one.
	Routes []Route `yaml:"routes"`

	// OAuth lists the sources of tokens, for providers that take those in place of
	// passwords. Mailboxes and routes name them; an account that is used by both
	// needs one. Default: none.
	OAuth []OAuth `yaml:"oauth,omitempty"`

	// Controls are things outside the provider that this agent looks at to tell
	// its own network's faults from the provider's. When most of them fail, the
	// region abstains. Take at least three, in three networks, none of them the
	// provider's. Default: none, with a warning.
	Controls []Control `yaml:"controls,omitempty"`

	// Log says how much is logged and in which form. Default: see its fields.
	Log Log `yaml:"log,omitempty"`

	Loaded `yaml:"-"`
}

// AgentHTTP is the listener of an agent for metrics and health.
type AgentHTTP struct {
	// Listen is the host:port on which /metrics, /-/healthy, /-/ready and /debug are
	// served. The agent authenticates nobody there: keep it on loopback, or
	// behind a firewall. Default: 127.0.0.1:9311.
	Listen string `yaml:"listen,omitempty"`
}

// Mesh is the listener for the other nodes. Every connection is TLS 1.3 in both
// directions with the keys of the roster; others are closed in the handshake.
type Mesh struct {
	// Listen is the host:port on which this node waits for the others. Default:
	// all interfaces, at the port of this node's address in the roster. Set it
	// where the port differs behind an address translation.
	Listen string `yaml:"listen,omitempty"`
}

// TLSMode says how a connection to a mail server is protected.
type TLSMode string

// The modes.
const (
	Implicit TLSMode = "implicit" // TLS from the first byte (RFC 8314)
	StartTLS TLSMode = "starttls" // plain until STARTTLS; its absence is an error
	Plain    TLSMode = "plain"    // no TLS at all
)

// Mailbox is an account that is read over IMAP. Several routes, and several
// agents, may share one: each finds and deletes its own signed canaries, by
// UID, and touches nothing else.
type Mailbox struct {
	// Name is what routes call this mailbox: 1 to 32 characters of a-z, 0-9,
	// '.' and '-'. Required.
	Name string `yaml:"name"`

	// Address is the host:port of the IMAP server, usually port 993. Required.
	Address string `yaml:"address"`

	// TLS is implicit (TLS at once, port 993), starttls (enforced, port 143), or
	// plain (none). Plain is for servers on this host; elsewhere it needs
	// allow_plain_auth. Default: implicit.
	TLS TLSMode `yaml:"tls,omitempty"`

	// Username is the login name, often the mail address. Required.
	Username string `yaml:"username"`

	// Password says where the password is. Required, unless there is oauth.
	Password Secret `yaml:"password,omitempty"`

	// OAuth is the name of the source of tokens to log in with. It excludes a
	// password. Default: none.
	OAuth string `yaml:"oauth,omitempty"`

	// Mechanism is plain or login with a password, xoauth2 or oauthbearer with
	// oauth. Default: of the two, the first that the server offers.
	Mechanism Mechanism `yaml:"mechanism,omitempty"`

	// AllowPlainAuth permits sending the password to another host without TLS,
	// where anyone on the path can read it. It excludes every tls but plain.
	// Default: false.
	AllowPlainAuth bool `yaml:"allow_plain_auth,omitempty"`

	// CAFile is a file of PEM certificates to trust for this server instead of
	// the system's, relative to this file. Default: the system's.
	CAFile string `yaml:"ca_file,omitempty"`

	// ServerName is the name that the server's certificate must bear. Default:
	// the host of address.
	ServerName string `yaml:"server_name,omitempty"`

	// Folder is the folder in which canaries should arrive. Default: INBOX.
	Folder string `yaml:"folder,omitempty"`

	// Junk is the folder for spam, watched as well: a canary there is delivered,
	// but misplaced. Default: the one that the server marks as \Junk
	// (RFC 6154), else one of the usual names.
	Junk string `yaml:"junk,omitempty"`

	// Keep is how long a canary stays in the mailbox after it was seen. Longer
	// helps to look into a fault by hand and fills the mailbox. At most 168h.
	// Default: 0s, deleted at once.
	Keep time.Duration `yaml:"keep,omitempty"`

	// TLSConfig is made from the fields above when the file is loaded; nil for
	// plain.
	TLSConfig *tls.Config `yaml:"-"`
}

// Route is one directed path of mail.
type Route struct {
	// Name is what metrics, logs and `mailquorum check` call this route: 1 to 32
	// characters of a-z, 0-9, '.' and '-', one route each. Required.
	Name string `yaml:"name"`

	// Service is the service of the roster whose health this route measures.
	// This agent's region must be one of its voters. Required.
	Service string `yaml:"service"`

	// Submit says where and how canaries enter the provider. Required.
	Submit Submit `yaml:"submit"`

	// To is the address to which canaries are sent. Their mail must end in the
	// mailbox of this route. Required.
	To string `yaml:"to"`

	// Mailbox is the name of the mailbox in which they arrive. Required.
	Mailbox string `yaml:"mailbox"`
}

// Mechanism is a way to log in to a mail server.
type Mechanism string

// The mechanisms.
const (
	AuthPlain   Mechanism = "plain"       // RFC 4616
	AuthLogin   Mechanism = "login"       // obsolete, and all that some servers offer
	AuthXOAUTH2 Mechanism = "xoauth2"     // Google's, and the only one of Microsoft
	AuthBearer  Mechanism = "oauthbearer" // RFC 7628
)

// OAuth is a source of OAuth 2 access tokens: of an account's refresh token, or,
// without one, of client credentials (RFC 6749 sections 6 and 4.4). That it gives no
// token is our own fault or the authorization server's: a ticket of the account
// at most, and never an outage of the mail service.
type OAuth struct {
	// Name is what mailboxes and routes call this source: 1 to 32 characters of
	// a-z, 0-9, '.' and '-'. Required.
	Name string `yaml:"name"`

	// Endpoint is the https:// address of the token endpoint. Required.
	Endpoint string `yaml:"endpoint"`

	// ClientID is the identifier of the registered application. Required.
	ClientID string `yaml:"client_id"`

	// ClientSecret says where the application's secret is. Required without
	// refresh_token; public clients have none.
	ClientSecret Secret `yaml:"client_secret,omitempty"`

	// RefreshToken says where the account's refresh token is. Where the server
	// replaces it, the newest is kept in the state directory, readable by its
	// owner alone, until a new one is configured. Default: none, client credentials.
	RefreshToken Secret `yaml:"refresh_token,omitempty"`

	// Scopes are what the token must permit, as the provider calls it. Default: none.
	Scopes []string `yaml:"scopes,omitempty"`

	// BasicAuth sends client_id and client_secret in a header in place of the
	// form, for servers that insist on it. Default: false.
	BasicAuth bool `yaml:"basic_auth,omitempty"`
}

// Submit is the SMTP side of a route (RFC 6409).
type Submit struct {
	// Address is the host:port of the server: port 465 for implicit TLS, 587 for
	// starttls, 25 for a server that takes mail for its own domain. Required,
	// unless there is mx.
	Address string `yaml:"address,omitempty"`

	// MX is a domain whose mail exchangers take the canaries, as they take
	// strangers' mail: looked up anew for each canary, tried in their order, on
	// port 25, without a login. So a route sees what an outage of logins hides. It
	// excludes address, server_name and everything about logins. The addresses of
	// this host must be fit to send mail: not blocked on port 25, with a name in
	// reverse DNS, and permitted by the SPF record of the domain of from. Default: none.
	MX string `yaml:"mx,omitempty"`

	// TLS is implicit (TLS at once, port 465), starttls (enforced, ports 587 and
	// 25), or plain (none). A password over plain to another host needs
	// allow_plain_auth. With mx it is starttls, which verifies the certificate for
	// the exchanger's name, or plain. Default: implicit, with mx starttls.
	TLS TLSMode `yaml:"tls,omitempty"`

	// Reuse keeps the connection for the next canary, for up to 4 minutes and 100
	// canaries: for providers that limit connections or logins. The cost: a canary
	// on a kept connection says nothing about name lookup, connecting, TLS and
	// login, so an outage of those is noticed only with the next new connection;
	// and canaries of the route go one after the other, so one that hangs delays the
	// next. Default: false, one connection each.
	Reuse bool `yaml:"reuse,omitempty"`

	// Username is the login name. Default: none, no authentication.
	Username string `yaml:"username,omitempty"`

	// Password says where the password is. Required with username and without
	// oauth, and only then.
	Password Secret `yaml:"password,omitempty"`

	// OAuth is the name of the source of tokens to log in with. It needs a
	// username and excludes a password. Default: none.
	OAuth string `yaml:"oauth,omitempty"`

	// Mechanism is plain or login with a password, xoauth2 or oauthbearer with
	// oauth. Default: of the two, the first that the server offers.
	Mechanism Mechanism `yaml:"mechanism,omitempty"`

	// AllowPlainAuth permits sending the password to another host without TLS,
	// where anyone on the path can read it. It excludes every tls but plain.
	// Default: false.
	AllowPlainAuth bool `yaml:"allow_plain_auth,omitempty"`

	// From is the sender's address, of the envelope and of the header. Bounces
	// go there, so it should be read by the mailbox of this route. Default: the
	// username, when it is an address; else Required.
	From string `yaml:"from,omitempty"`

	// Hello is the name that this client says in EHLO (RFC 5321 section
	// 4.1.1.1). Some relays refuse names that are not fully qualified. Default:
	// the host's name, when it has a dot, else the domain of from.
	Hello string `yaml:"hello,omitempty"`

	// CAFile is a file of PEM certificates to trust for this server instead of
	// the system's, relative to this file. Default: the system's.
	CAFile string `yaml:"ca_file,omitempty"`

	// ServerName is the name that the server's certificate must bear. Default:
	// the host of address.
	ServerName string `yaml:"server_name,omitempty"`

	// Timeout bounds one whole submission, from the lookup of the name to the
	// reply to DATA. A longer one is a failure of the stage that it was in; it
	// must be shorter than the roster's interval. Default: 30s, or half of the
	// roster's interval if that is shorter.
	Timeout time.Duration `yaml:"timeout,omitempty"`

	// TLSConfig is made from the fields above when the file is loaded; nil for
	// plain.
	TLSConfig *tls.Config `yaml:"-"`
}

// Control is one thing outside the provider that works whenever this agent's
// own network does. Exactly one of tls, https and dns is set.
type Control struct {
	// Name is what metrics and logs call it: 1 to 32 characters of a-z, 0-9, '.'
	// and '-'. Required.
	Name string `yaml:"name"`

	// TLS is the host:port of a server to which a TLS connection is opened and
	// closed, best a mail port of another provider: firewalls treat those alike.
	// It excludes https and dns. Default: none.
	TLS string `yaml:"tls,omitempty"`

	// HTTPS is an https:// URL that answers GET with 200 or 204; a redirect is a
	// failure, as captive portals redirect. It excludes tls and dns. Default: none.
	HTTPS string `yaml:"https,omitempty"`

	// DNS is the host:port of a resolver that is asked for the name servers of
	// the root, best by its IP address. It excludes tls and https. Default: none.
	DNS string `yaml:"dns,omitempty"`
}

// Log says how much is logged and how. Logs go to standard error.
type Log struct {
	// Level is debug, info, warn or error. Default: info.
	Level string `yaml:"level,omitempty"`

	// Format is text, json, or auto: text on a terminal, json elsewhere.
	// Default: auto.
	Format string `yaml:"format,omitempty"`
}
