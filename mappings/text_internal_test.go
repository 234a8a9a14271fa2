package mappings

import "testing"

func TestTidyDropsControlCharacters(t *testing.T) {
	t.Parallel()
	cases := []struct{ text, want, reason string }{
		{"Hi\u0000 there", "Hi there", "the null character, which databases refuse"},
		{"a\tb\nc", "a\tb\nc", "tabs and line ends are text"},
		{"a\r\nb\x1b[1m\x7f\u0085", "a\nb[1m", "the others say nothing"},
		{"\xff\x00é\u200d", "\uFFFDé\u200d", "what joins an emoji stays"},
	}
	for _, c := range cases {
		if got := tidy(c.text); got != c.want {
			t.Errorf("tidy(%q) = %q, want %q: %s", c.text, got, c.want, c.reason)
		}
	}
}
