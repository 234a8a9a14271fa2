//go:build !unix || solaris || illumos || aix

package sqlite

// lockFile does nothing here: SQLite's own exclusive lock keeps other processes
// out, without saying who has it.
type lockFile struct{}

func lockBeside(string) (*lockFile, error) { return &lockFile{}, nil }

func (l *lockFile) release() {}
