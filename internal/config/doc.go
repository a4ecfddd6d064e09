// Package config reads the configuration of the daemons and the roster. The
// comments of its structs are the manual: docs/configuration.md and the JSON
// schemas are made from them, and a test keeps them true.
//
// Reading is strict. A file is one YAML document of at most 1 MiB without
// anchors, aliases, tags or merge keys; nothing in it is expanded. Fields that
// do not exist, wrong types and values that cannot be right are errors, all
// reported at once, each with file, line, column, the source line and a caret.
// Secrets never stand in a file: a field of type Secret says where one is.
//
// What is allowed and yet unwise is a warning, at its position too.
package config
