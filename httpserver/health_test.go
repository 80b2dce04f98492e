package httpserver

import (
	"net/http"
	"strings"
	"testing"
)

func TestReadyzListsEveryCheckByName(t *testing.T) {
	h := start(t)
	problem := ""
	h.server.AddCheck(Check{Name: "trial", Problem: func() string { return problem }})
	h.server.AddCheck(Check{Name: "archive", Problem: func() string { return "the last backup is 3 days old" }, Advisory: true})
	const good = `{"ready":true,"checks":[{"name":"shutdown","state":"ok"},{"name":"plane","state":"ok"},{"name":"inbox","state":"ok"},` +
		`{"name":"reducer","state":"ok"},{"name":"descriptors","state":"ok"},{"name":"flight-recorder","state":"ok"},`
	const archive = `{"name":"archive","state":"warning","reason":"the last backup is 3 days old"}]}` + "\n"

	status, body := h.ops("/readyz?verbose")
	if want := `"trial"`; status != http.StatusOK || !strings.HasPrefix(body, good) || !strings.Contains(body, want) || !strings.HasSuffix(body, archive) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := h.ops("/readyz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("an advisory check fails /readyz: %d %s", status, body)
	}

	problem = "trial: /etc/refrain/server.crt has expired"
	if status, body := h.ops("/readyz"); status != http.StatusServiceUnavailable || body != problem+"\n" {
		t.Errorf("%d %s", status, body)
	}
	request := must(http.NewRequest(http.MethodGet, "http://"+h.server.OpsAddr().String()+"/readyz", nil))(t)
	request.Header.Set("Accept", "application/json")
	response := must(http.DefaultClient.Do(request))(t)
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	_, body = h.ops("/readyz?verbose")
	if want := `{"name":"trial","state":"failing","reason":"` + problem + `"}`; !strings.Contains(body, want) || !strings.HasPrefix(body, `{"ready":false,`) {
		t.Errorf("%s\nwant %s", body, want)
	}
}

func TestAddCheck_WantsANameOfItsOwn(t *testing.T) {
	h := newHarness(t)
	defer func() {
		if recover() == nil {
			t.Error("two checks have one name")
		}
	}()
	h.server.AddCheck(Check{Name: "inbox", Problem: func() string { return "" }})
}
