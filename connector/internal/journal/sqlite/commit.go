package sqlite

import (
	"github.com/ncruces/go-sqlite3"
)

// work serves the calls that waited together: readings first, since they are
// short, then all writing in one commit. Without calls it tidies up.
func (j *Journal) work(calls []*call) {
	if len(calls) == 0 {
		j.checkpoint(j.checkpointPages / 8)
		return
	}
	var writes []*call
	for _, c := range calls {
		switch {
		case !c.start():
		case c.reads:
			c.done <- c.run(j.s)
		default:
			writes = append(writes, c)
		}
	}
	j.commitTogether(writes)
	j.checkpoint(j.checkpointPages)
}

// commitTogether answers every call after one commit. When a call fails of
// itself, the others go again without it, so that it fails nobody else; when the
// disk fails, each goes alone, since a small one may find space where all
// together do not.
func (j *Journal) commitTogether(calls []*call) {
	for len(calls) > 0 {
		failed, err := j.commit(calls)
		switch {
		case err == nil:
			answer(calls, nil)
			return
		case len(calls) == 1:
			answer(calls, err)
			return
		case failed < 0 || ofDisk(err):
			for i := range calls {
				j.commitTogether(calls[i : i+1])
			}
			return
		}
		calls[failed].done <- err
		calls = append(calls[:failed:failed], calls[failed+1:]...)
	}
}

func answer(calls []*call, err error) {
	for _, c := range calls {
		c.done <- err
	}
}

// commit runs the calls in one transaction. When one fails it says which, or -1
// when the transaction itself did.
func (j *Journal) commit(calls []*call) (failed int, err error) {
	s := j.s
	if err := s.exec(`BEGIN IMMEDIATE`); err != nil {
		return -1, err
	}
	for i, c := range calls {
		if err := c.run(s); err != nil {
			s.undo(j.mark.Load())
			return i, err
		}
	}
	err = s.flush()
	if err == nil {
		err = s.exec(`COMMIT`)
	}
	if err != nil {
		s.undo(j.mark.Load())
		return -1, err
	}
	j.mark.Store(s.last)
	return 0, nil
}

// undo rolls the transaction back and forgets what memory holds of it.
func (s *session) undo(last int64) {
	s.rollback()
	s.names.forget()
	clear(s.counts)
	clear(s.known)
	s.last = last
}

// rollback ends a transaction that failed; SQLite may have done so already.
func (s *session) rollback() {
	if !s.conn.GetAutocommit() {
		_ = s.exec(`ROLLBACK`) // the failure before is what is reported
	}
}

// checkpoint takes the write-ahead log into the file once it has that many
// pages. Nobody reads meanwhile, so it always goes to the end, and the log
// starts again at its beginning.
func (j *Journal) checkpoint(pages int) {
	if j.s.walPages < pages {
		return
	}
	_, _, err := j.s.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	if err != nil {
		// Nothing is lost: the log is complete, and the next one tries again.
		j.log.WithError(err).Warn("journal checkpoint failed")
		j.s.walPages = 0
		return
	}
	j.s.walPages = 0
}
