// Package integration plays the whole line with separate processes on a real
// mail provider: Postfix and Dovecot on loopback, with switches for every fault
// (provider.sh). Its tests need Debian and root: make integration.
//
// TestLine starts five agents, three coordinators and a stand-in for PagerDuty
// around one provider, breaks and mends them one thing at a time, and looks at
// what came of the canaries (the agents' metrics and journals), which incidents
// the coordinators agree on, and which calls the stand-in received.
package integration
