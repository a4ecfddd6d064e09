// Package integration plays the whole line with separate processes on a real
// mail provider: Postfix and Dovecot on loopback, with switches for every fault
// (provider.sh). Its tests need Debian and root: make integration.
package integration
