package sample

import (
	"maps"
	"slices"
)

// Kinds lists the message types that there are samples of.
func Kinds() []string {
	return []string{
		"text", "image", "audio", "video", "document", "sticker", "location", "contacts", "button",
		"interactive", "reaction", "order", "system", "unsupported",
	}
}

// titles are WhatsApp's error codes with what they say.
var titles = map[int]string{
	130429: "Rate limit hit",
	130472: "User's number is part of an experiment",
	131026: "Message undeliverable",
	131031: "Business account has been locked",
	131042: "Business eligibility payment issue",
	131047: "Re-engagement message",
	131048: "Spam rate limit hit",
	131049: "This message was not delivered to maintain healthy ecosystem engagement",
	131050: "User has stopped marketing messages",
	131051: "Message type unknown",
	131056: "Pair rate limit hit",
	131060: "This message is currently unavailable",
}

// ErrorCodes lists the codes that there are samples of, in order.
func ErrorCodes() []int { return slices.Sorted(maps.Keys(titles)) }

// failure gives an error in WhatsApp's own shape.
func failure(code int) map[string]any {
	title := titles[code]
	if title == "" {
		title = "Unknown error"
	}
	return map[string]any{
		"code": code, "title": title, "message": title,
		"error_data": map[string]any{"details": title + "."},
	}
}

// content adds what the customer's message says, by its type.
func (o Options) content(data map[string]any, d Dialect) {
	data["type"] = o.Kind
	if d == App {
		data["contact_name"] = o.Name
	}
	if o.ReplyTo != "" && o.Kind != "reaction" {
		data["context"] = map[string]any{"id": o.ReplyTo}
	}
	switch o.Kind {
	case "text":
		if d == App {
			data["text"] = o.Text
		} else {
			data["body"] = o.Text
		}
	case "unsupported":
		data["errors"] = []any{failure(131051)}
	default:
		data[o.Kind] = o.object()
	}
}

// object gives the member that holds a message of a type other than text, in
// WhatsApp's own shape.
func (o Options) object() any {
	switch o.Kind {
	case "image", "video", "document":
		file := o.file()
		file["caption"] = o.Text
		return file
	case "audio":
		file := o.file()
		file["voice"] = true
		return file
	case "sticker":
		return o.file()
	case "location":
		return map[string]any{"latitude": 19.076, "longitude": 72.8777, "name": "Mumbai"}
	case "contacts":
		return []any{map[string]any{"name": map[string]any{"formatted_name": "A friend"}}}
	case "button":
		return map[string]any{"text": o.Text, "payload": "PAYLOAD"}
	case "interactive":
		return map[string]any{
			"type": "button_reply", "button_reply": map[string]any{"id": "choice-1", "title": o.Text},
		}
	case "reaction":
		return map[string]any{"message_id": o.ReplyTo, "emoji": "👍"}
	case "order":
		return map[string]any{"catalog_id": "cat_1", "text": o.Text, "product_items": []any{
			map[string]any{"product_retailer_id": "sku-1", "quantity": 2, "item_price": 499.5, "currency": "INR"},
		}}
	case "system":
		return map[string]any{
			"type": "user_changed_number", "body": "The customer changed the number.",
			"wa_id": Phone(o.Conversation + 500_000_000),
		}
	}
	return map[string]any{"text": o.Text}
}

// mimeTypes are those of the files.
var mimeTypes = map[string]string{
	"image": "image/jpeg", "video": "video/mp4", "document": "application/pdf",
	"audio": "audio/ogg; codecs=opus", "sticker": "image/webp",
}

func (o Options) file() map[string]any {
	return map[string]any{
		"id": "media_" + o.MessageID, "url": "https://media.example.com/" + o.MessageID,
		"mime_type": mimeTypes[o.Kind], "filename": o.Kind + "-1",
		"expires_at": o.Time.Unix() + 48*3600,
	}
}
