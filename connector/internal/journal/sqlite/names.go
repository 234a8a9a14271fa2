package sqlite

// nameLimit bounds the names kept in memory. There are few in practice:
// businesses, sources, accounts, event types, destinations, rules.
const nameLimit = 4096

// names stores strings that repeat in every row once, by number. The empty
// string is number 0.
type names struct {
	ids   map[string]int64
	texts map[int64]string
}

func newNames() names {
	return names{ids: map[string]int64{}, texts: map[int64]string{}}
}

func (n names) keep(id int64, text string) {
	if len(n.ids) >= nameLimit {
		clear(n.ids)
		clear(n.texts)
	}
	n.ids[text] = id
	n.texts[id] = text
}

// forget is called when a transaction was rolled back: the numbers that it gave
// mean nothing.
func (n names) forget() {
	clear(n.ids)
	clear(n.texts)
}

// name gives the number of a string and makes one where there is none.
func (s *session) name(text string) (int64, error) {
	id, err := s.nameOf(text)
	if err != nil || id != 0 || text == "" {
		return id, err
	}
	if err := s.exec(`INSERT INTO names (text) VALUES (?)`, text); err != nil {
		return 0, err
	}
	id = s.conn.LastInsertRowID()
	s.names.keep(id, text)
	return id, nil
}

// nameOf gives the number of a string, 0 when it has none.
func (s *session) nameOf(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if id := s.names.ids[text]; id != 0 {
		return id, nil
	}
	id, err := s.number(`SELECT id FROM names WHERE text = ?`, text)
	if err == nil && id != 0 {
		s.names.keep(id, text)
	}
	return id, err
}

// text gives the string of a number.
func (s *session) text(id int64) (string, error) {
	if id == 0 {
		return "", nil
	}
	if text, ok := s.names.texts[id]; ok {
		return text, nil
	}
	var text string
	found, err := s.one(func(r row) { text = r.text(0) }, `SELECT text FROM names WHERE id = ?`, id)
	if err == nil && found {
		s.names.keep(id, text)
	}
	return text, err
}
