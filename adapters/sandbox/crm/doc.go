// Package crm is a small but honest CRM server to try the connector against, to
// test it with, and to learn from: contacts, tickets and comments in memory,
// with the habits that real CRMs have and fakes usually lack. Its search index
// lags, its filters ignore what they do not know, external ids are not unique
// unless asked for, solved tickets swallow comments where nobody looks, and
// [Faults] makes it fail in every way that a network and a server can.
//
// It has three faces. The API under /v1 is what an adapter uses: it needs the
// token, is counted against the quota, and suffers the faults. The API under
// /api reads everything back exactly and at once, lets a person act as an agent
// would, and changes the behaviour while the server runs; it is never counted
// and never fails on purpose. The page at / shows tickets and conversations as
// they appear.
//
// Under /api are, without a token:
//
//	GET    /api/contacts                ?phone=, all digits compared
//	GET    /api/tickets                 ?contact_id=
//	GET    /api/tickets/{id}/comments
//	GET    /api/stats                   calls, by endpoint, records written, worst window
//	GET    /api/control                 the settings
//	PUT    /api/control                 {"faults": 0.05}, {"faults": {"late": 0.1}}, {"required": {"ticket": ["category"]}},
//	                                    {"down": "503"}: only what is named changes; see [Settings]
//	PUT    /api/tickets/{id}/status     {"status": "solved"}
//	POST   /api/tickets/{id}/comments   {"body": "…", "private": true}: an agent's own words
//	POST   /api/tickets/{id}/merge      {"into": "42"}; contacts too
//	DELETE /api/tickets/{id}            contacts too
//
// Lists are in order of creation and leave deleted and merged records out. Asked
// for by id these answer 410, with the id of the record that they became.
//
// The package keeps nothing on disk, speaks of no vendor, and takes clock, timer
// and randomness from its [Options]. Start with [New] and [Options].
package crm
