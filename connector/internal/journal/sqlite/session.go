package sqlite

import (
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// session is the one connection with what is remembered beside it. Only the
// writer's goroutine touches it.
type session struct {
	conn  *sqlite3.Conn
	stmts map[string]*sqlite3.Stmt
	now   func() time.Time
	names names
	// last is the highest event number given, committed or not.
	last int64
	// newestDay is the newest that the messages table has, or a later one.
	newestDay int64
	// oldestDay is the oldest that the messages table has, or an earlier one.
	oldestDay int64
	// counts are the changes of counters that the open transaction has made.
	counts map[counter]int64
	// known holds the destinations that have a row.
	known map[int64]bool
	// walPages is how many pages the write-ahead log has that the file lacks.
	walPages int
}

// exec runs a statement that gives no rows.
func (s *session) exec(sql string, args ...any) error {
	stmt, err := s.bind(sql, args)
	if err != nil {
		return err
	}
	return stmt.Exec()
}

// changed runs a statement and reports whether it changed a row.
func (s *session) changed(sql string, args ...any) (bool, error) {
	if err := s.exec(sql, args...); err != nil {
		return false, err
	}
	return s.conn.Changes() > 0, nil
}

// each runs a query and calls row for each of its rows. Row must not run the
// same query.
func (s *session) each(row func(r row) error, sql string, args ...any) error {
	stmt, err := s.bind(sql, args)
	if err != nil {
		return err
	}
	for stmt.Step() {
		if err = row(rowOf(stmt)); err != nil {
			break
		}
	}
	// Reset repeats the error of the last step, if there was one.
	if reset := stmt.Reset(); err == nil {
		err = reset
	}
	return err
}

// one runs a query for at most one row and reports whether there was one.
func (s *session) one(scan func(r row), sql string, args ...any) (bool, error) {
	found := false
	err := s.each(func(r row) error {
		found = true
		scan(r)
		return nil
	}, sql, args...)
	return found, err
}

// number runs a query for a single number, 0 when there is no row.
func (s *session) number(sql string, args ...any) (int64, error) {
	var n int64
	_, err := s.one(func(r row) { n = r.int(0) }, sql, args...)
	return n, err
}

// bind gives the prepared statement with its parameters set.
func (s *session) bind(sql string, args []any) (*sqlite3.Stmt, error) {
	stmt, err := s.prepare(sql)
	if err != nil {
		return nil, err
	}
	for i, arg := range args {
		if err := bindOne(stmt, i+1, arg); err != nil {
			return nil, fmt.Errorf("bind parameter %d: %w", i+1, err)
		}
	}
	return stmt, nil
}

func (s *session) prepare(sql string) (*sqlite3.Stmt, error) {
	if stmt := s.stmts[sql]; stmt != nil {
		return stmt, nil
	}
	stmt, _, err := s.conn.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	s.stmts[sql] = stmt
	return stmt, nil
}

func bindOne(stmt *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case int64:
		return stmt.BindInt64(i, v)
	case int:
		return stmt.BindInt64(i, int64(v))
	case string:
		return stmt.BindText(i, v)
	case []byte:
		return stmt.BindBlob(i, v)
	case bool:
		return stmt.BindBool(i, v)
	case time.Time:
		return stmt.BindInt64(i, micros(v))
	case time.Duration:
		return stmt.BindInt64(i, int64(v))
	}
	return fmt.Errorf("type %T has no column", arg)
}

// close finalises the statements and closes the connection.
func (s *session) close() error {
	for _, stmt := range s.stmts {
		_ = stmt.Close() // repeats the error of the statement's last run
	}
	return s.conn.Close()
}

// row is the current row of a query.
type row struct{ stmt *sqlite3.Stmt }

func rowOf(stmt *sqlite3.Stmt) row { return row{stmt} }

func (r row) int(i int) int64         { return r.stmt.ColumnInt64(i) }
func (r row) text(i int) string       { return r.stmt.ColumnText(i) }
func (r row) time(i int) time.Time    { return fromMicros(r.stmt.ColumnInt64(i)) }
func (r row) bool(i int) bool         { return r.stmt.ColumnInt64(i) != 0 }
func (r row) null(i int) bool         { return r.stmt.ColumnType(i) == sqlite3.NULL }
func (r row) blob(i int) []byte       { return r.stmt.ColumnBlob(i, nil) }
func (r row) dur(i int) time.Duration { return time.Duration(r.stmt.ColumnInt64(i)) }

// micros is how times are stored: microseconds since 1970, the zero time as 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
