// Package internal holds the rules of who may import whom, as tests.
package internal
