package webhook

import (
	"strings"
	"time"

	"github.com/crm-connector/crm-connector/connector"
)

// mediaNames are the members that hold a file whatever the message's type.
var mediaNames = [...]string{"media", "attachment", "attachments", "file"}

// expiryNames are the spellings under which platforms say when a link ends.
var expiryNames = [...]string{
	"expires_at", "expires", "expiry", "expires_in", "expiration", "expiration_time", "expire_at",
	"url_expiry", "urlExpiry", "url_expires_at", "expiresAt", "expires_on", "valid_until",
	"media_expires_at", "media_expiry", "media_url_expires_at", "media_url_expiry",
}

// isFile reports whether messages of the type are files.
func isFile(kind string) bool {
	switch kind {
	case "image", "video", "audio", "document", "sticker", "file":
		return true
	}
	return false
}

// hasFile reports whether a message of another type brings a file along, as the
// header of a template does.
func (r *reader) hasFile() bool {
	for _, name := range mediaNames {
		if r.get(name) != nil {
			return true
		}
	}
	return r.get("media_url") != nil || r.get("media_id") != nil
}

// isVoice reports whether the type itself says that the audio is a voice note.
func (r *reader) isVoice() bool {
	kind := strings.ToLower(r.text("type", "message_type"))
	return kind == "voice" || kind == "ptt"
}

// mediaObject gives the member that describes the message's file.
func (r *reader) mediaObject(body fields) fields {
	for _, name := range mediaNames {
		if o := r.object(name); o != nil {
			return o
		}
	}
	if body == nil && r.isVoice() {
		return r.object("voice")
	}
	return body
}

// media reads a message's file from an object of its own or from flat fields,
// nil where there is none.
func (r *reader) media(kind string, body fields, at time.Time) *connector.Media {
	if !isFile(kind) && !r.hasFile() {
		return nil
	}
	o := r.mediaObject(body)
	m := connector.Media{
		ID:       or(o.text("id", "media_id"), r.text("media_id")),
		URL:      r.mediaURL(kind, o),
		Filename: or(o.text("filename", "file_name", "name"), r.text("filename", "file_name", "media_filename")),
		Voice:    o["voice"] == true || r.get("voice") == true || r.isVoice(),
	}
	m.MIMEType = or(o.text("mime_type", "mimeType", "mimetype", "content_type"),
		r.text("mime_type", "media_mime_type", "mimetype", "content_type", "media_type"))
	if m.ID == "" && m.URL == "" {
		return nil
	}
	m.Expires = r.expiry(o, at)
	return &m
}

// mediaURL gives the link to the file, if it is one that can be followed.
func (r *reader) mediaURL(kind string, o fields) string {
	for _, v := range [...]any{
		o["url"], o["link"], o["media_url"], o["href"], r.get("media_url"), r.get("mediaUrl"),
		r.get("file_url"), r.get("url"), r.get("link"), r.get(kind), r.get("media"),
	} {
		s := text(v)
		if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
			return s
		}
	}
	return ""
}

// maxRelative is below every time that is meant as one: smaller numbers are
// seconds from the event on.
const maxRelative = 1e9

// expiry gives when the link ends, zero where the webhook does not say.
func (r *reader) expiry(o fields, at time.Time) time.Time {
	for _, name := range expiryNames {
		v := o[name]
		if v == nil {
			v = r.get(name)
		}
		t := instant(v)
		if t.IsZero() {
			continue
		}
		if t.Unix() >= maxRelative {
			return t
		}
		if !at.IsZero() {
			return at.Add(time.Duration(t.UnixNano()))
		}
	}
	return time.Time{}
}

// caption gives the words under a file.
func (r *reader) caption(body fields) string {
	if s := words(r.get("caption")); s != "" {
		return s
	}
	return words(r.mediaObject(body)["caption"])
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
