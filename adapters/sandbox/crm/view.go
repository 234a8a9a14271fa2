package crm

import "time"

// contactView is a contact as both APIs show it.
type contactView struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"`
	CreatedAt  time.Time      `json:"created_at"`
	Phone      string         `json:"phone"`
	Name       string         `json:"name"`
	Email      string         `json:"email,omitempty"`
	UserID     string         `json:"user_id,omitempty"`
	Tags       []string       `json:"tags,omitempty"`
	Fields     map[string]any `json:"fields,omitempty"`
}

// ticketView is a ticket as both APIs show it.
type ticketView struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"`
	CreatedAt  time.Time      `json:"created_at"`
	ContactID  string         `json:"contact_id"`
	Subject    string         `json:"subject"`
	Status     string         `json:"status"`
	Priority   string         `json:"priority,omitempty"`
	Tags       []string       `json:"tags,omitempty"`
	FollowUpOf string         `json:"follow_up_of,omitempty"`
	Fields     map[string]any `json:"fields,omitempty"`
}

// commentView is a comment as both APIs show it.
type commentView struct {
	ID          string       `json:"id"`
	ExternalID  string       `json:"external_id"`
	CreatedAt   time.Time    `json:"created_at"`
	TicketID    string       `json:"ticket_id"`
	TicketKey   string       `json:"ticket_external_id"`
	Body        string       `json:"body"`
	HTML        bool         `json:"html,omitempty"`
	Author      string       `json:"author"`
	Public      bool         `json:"public"`
	WrittenAt   string       `json:"written_at,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
}

func (c *contact) view() contactView {
	return contactView{
		ID: c.id, ExternalID: c.externalID, CreatedAt: c.created,
		Phone: c.values.text("phone"), Name: c.values.text("name"), Email: c.values.text("email"),
		UserID: c.values.text("user_id"), Tags: c.values.tags(), Fields: c.values.custom(contactFields),
	}
}

func (t *ticket) view() ticketView {
	return ticketView{
		ID: t.id, ExternalID: t.externalID, CreatedAt: t.created, ContactID: t.contact.id, Status: t.status,
		Subject: t.values.text("subject"), Priority: t.values.text("priority"), Tags: t.values.tags(),
		FollowUpOf: t.followUpOf, Fields: t.values.custom(ticketFields),
	}
}

func (c *comment) view(of *ticket) commentView {
	return commentView{
		ID: c.id, ExternalID: c.externalID, CreatedAt: c.created, TicketID: of.id, TicketKey: of.externalID, Body: c.body, HTML: c.html,
		Author: c.author, Public: !c.private, WrittenAt: c.writtenAt, Attachments: c.attachments,
	}
}
