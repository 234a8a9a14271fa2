// Package httpapi is the HTTP client that adapters share. It sends one request
// and says in the engine's words how it ended: what a status means, how long to
// wait, what the vendor said, cleaned of secrets, numbers and customers' words.
//
// It refuses to be clever about time: it repeats only reads and what never left,
// twice and at once, since waiting is the engine's affair. It keeps
// no state but the connections of [connector.Deps].
//
// Start with [New] and [Client.Do]. What a vendor does differently goes into
// [Options]: the table of endings, the reset headers, and Judge for answers
// whose body contradicts their status.
package httpapi
