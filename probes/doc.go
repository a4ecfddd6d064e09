// Package probes is the vocabulary of the line: what a canary is, the stages it
// passes, and what can become of it. It is pure: the probes themselves live in
// probes/submit (SMTP), probes/collect (IMAP) and probes/control (is it me?),
// and speak to everybody else in the words of this package.
package probes
