package crm

import (
	"embed"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// pageRoutes adds the page on which a person watches tickets appear.
func pageRoutes(mux *http.ServeMux) {
	files := http.FileServerFS(pageFiles)
	serve := func(path string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			r.URL.Path = path
			files.ServeHTTP(w, r)
		})
	}
	mux.Handle("GET /{$}", serve("/page/"))
	mux.Handle("GET /page/board.js", serve("/page/board.js"))
	mux.Handle("GET /page/board.css", serve("/page/board.css"))
}
