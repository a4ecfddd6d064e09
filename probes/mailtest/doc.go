// Package mailtest is to mail what net/http/httptest is to HTTP: an in-memory
// network of named hosts, a certificate authority, and an embedded mail
// provider (SMTP submission and IMAP over one set of mailboxes) with switches
// for the ways in which a real provider goes wrong.
//
// Everything works in a testing/synctest bubble, where it takes no real time,
// and equally over real listeners: the product's demo runs on it.
package mailtest
