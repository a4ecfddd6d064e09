// Package sim simulates a monitor over months and years: regions with the real
// evidence, a mesh that loses, delays, duplicates and reorders messages, and
// coordinators with the real verdict and incident code, in a world whose provider
// and local networks fail by the book. It answers what a configuration promises
// before anybody buys it: false pages a year, seconds to a page for each kind of
// outage, canaries a day.
//
// All of it is seeded: the same options give the same report to the last digit, on
// any number of processors. The mesh and the coordinators are asleep while fewer
// than a quorum of regions says down, for then nothing can come of what is said;
// that, and that agents believe each other's signatures, is all that is cut short.
package sim
