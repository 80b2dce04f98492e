// Package releasefile has the files of a signed release: what they are called, how a
// directory of them is read and replaced, and what becomes of them when all are
// verified together. The release tool and the server share it; core/artifact has the
// verdict on each file.
//
// It signs nothing.
package releasefile
