package nix

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// needsNix skips a test where there is no nix, and says so.
func needsNix(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nix-instantiate"); err != nil {
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, since there is no nix here\n", t.Name())
		t.Skip("NOT RUN: it needs nix (apt-get install --no-install-recommends nix-bin)")
	}
}

// nix runs a command of nix; the error has what it printed.
func nix(t *testing.T, words ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), words[0], words[1:]...)
	state := t.TempDir()
	c.Env = append(os.Environ(), "NIX_STATE_DIR="+state, "NIX_STORE_DIR="+filepath.Join(state, "store"), "NIX_CONF_DIR="+state, "HOME="+state)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// evaluate evaluates a module with settings, without nixpkgs.
func evaluate(t *testing.T, module, settings string) (map[string]any, error) {
	t.Helper()
	out, err := nix(t, "nix-instantiate", "--eval", "--strict", "--json", "--readonly-mode", "-E",
		fmt.Sprintf("import ./testdata/evaluate.nix { module = ./%s; settings = %s; }", module, settings))
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(out), &config); err != nil {
		t.Fatal(err)
	}
	return config, nil
}

func TestEveryFileCanBeParsed(t *testing.T) {
	needsNix(t)
	files, err := filepath.Glob("*.nix")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range append(files, "../../flake.nix") {
		if _, err := nix(t, "nix-instantiate", "--parse", file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

const (
	serverSettings = `{ services.refrain = { enable = true; openFirewall = true; settings.agent-cn-suffix = "fleet.test"; settings.max-replays = 7; }; }`
	agentSettings  = `{ services.refrain-agent = { enable = true; settings.url = "https://plane:8443"; }; }`
)

// The modules and the unit files of this repository are of the same units.
func TestAModuleHasTheUnitOfDeploy(t *testing.T) {
	needsNix(t)
	for _, test := range []struct{ module, unit, settings, section string }{
		{"server.nix", "refrain", serverSettings, "serve"},
		{"agent.nix", "refrain-agent", agentSettings, "agent"},
	} {
		config, err := evaluate(t, test.module, test.settings)
		if err != nil {
			t.Fatalf("%s: %v", test.module, err)
		}
		unit := config["systemd"].(map[string]any)["services"].(map[string]any)[test.unit].(map[string]any)
		service := unit["serviceConfig"].(map[string]any)
		text, err := os.ReadFile("../" + test.unit + ".service")
		if err != nil {
			t.Fatal(err)
		}
		keys := 0
		_, body, _ := strings.Cut(string(text), "[Service]\n")
		body, _, _ = strings.Cut(body, "[Install]")
		for _, line := range strings.Split(body, "\n") {
			key, want, found := strings.Cut(line, "=")
			if !found || strings.HasPrefix(line, "#") || key == "Environment" || strings.HasPrefix(key, "Exec") {
				continue // paths differ on NixOS
			}
			keys++
			got, set := service[key]
			if b, is := got.(bool); is {
				got = map[bool]string{true: "yes", false: "no"}[b]
			}
			if !set || fmt.Sprint(got) != want && !(key == "LimitNOFILE" && fmt.Sprintf("%.0f", got) == want) {
				t.Errorf("%s: %s is %v, and %q in the unit", test.module, key, got, want)
			}
			delete(service, key)
		}
		start := service["ExecStart"].(string)
		delete(service, "ExecStart")
		delete(service, "ExecReload")
		if len(service) > 0 || keys < 15 {
			t.Errorf("%s: after %d keys of the unit, %v is of the module alone", test.module, keys, service)
		}
		// Each key that the module sets by itself is one of the example's.
		_, file, _ := strings.Cut(start, "#")
		file, _, _ = strings.Cut(file, "}}")
		var configuration map[string]map[string]any
		if err := json.Unmarshal([]byte(file+"}}"), &configuration); err != nil {
			t.Fatalf("%s: %s: %v", test.module, start, err)
		}
		example, err := os.ReadFile("../" + test.unit + ".example.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if len(configuration[test.section]) < 5 {
			t.Errorf("%s: the configuration is %v", test.module, configuration)
		}
		for key := range configuration[test.section] {
			if !regexp.MustCompile(`(?m)^  #?` + regexp.QuoteMeta(key) + `:`).Match(example) {
				t.Errorf("%s: the configuration has %s, which %s.example.yaml does not", test.module, key, test.unit)
			}
		}
	}
}

func TestAModuleRefusesWhatIsWrong(t *testing.T) {
	needsNix(t)
	for _, test := range []struct{ module, settings, want string }{
		{"server.nix", `{ services.refrain.enable = true; }`, "services.refrain.settings.agent-cn-suffix' has no value"},
		{"server.nix", `{ services.refrain = { enable = "yes"; settings.agent-cn-suffix = "a"; }; }`, "services.refrain.enable' wants a boolean, and is a string"},
		{"server.nix", `{ services.refrain = { enable = true; opnFirewall = true; settings.agent-cn-suffix = "a"; }; }`, "services.refrain.opnFirewall' does not exist"},
		{"server.nix", `{ services.refrain = { enable = true; settings = { agent-cn-suffix = "a"; tls-key = builtins.storeDir + "/k"; }; }; }`, "everybody may read"},
		{"agent.nix", `{ services.refrain-agent.enable = true; }`, "services.refrain-agent.settings.url' has no value"},
		{"agent.nix", `{ services.refrain-agent = { enable = true; settings = { url = "https://p"; key = builtins.storeDir + "/k"; }; }; }`, "everybody may read"},
	} {
		if config, err := evaluate(t, test.module, test.settings); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %s: %v, %v; want %q", test.module, test.settings, config, err, test.want)
		}
	}
	if config, err := evaluate(t, "server.nix", `{ services.refrain.settings.agent-cn-suffix = "a"; }`); err != nil || len(config) > 0 {
		t.Errorf("a module that is not enabled sets %v, %v", config, err)
	}
}

// TestTheVendorHashIsThatOfTheModules compares the hash in the flake's package with the
// modules that go.mod names. What it wants is what has to be written to vendor-hash.
func TestTheVendorHashIsThatOfTheModules(t *testing.T) {
	if testing.Short() {
		t.Skip("copies every module: not in short mode")
	}
	needsNix(t)
	vendor := filepath.Join(t.TempDir(), "vendor")
	c := exec.CommandContext(t.Context(), "go", "mod", "vendor", "-o", vendor)
	c.Dir = "../.."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	printed, err := nix(t, "nix-hash", "--type", "sha256", vendor)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := hex.DecodeString(printed)
	if err != nil {
		t.Fatal(err)
	}
	got := "sha256-" + base64.StdEncoding.EncodeToString(hash)
	if sample.Rewriting() {
		if err := os.WriteFile("vendor-hash", []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("vendor-hash")
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.TrimSpace(string(want)) {
		t.Errorf("the modules have the hash %s, and vendor-hash has %s; go test ./deploy/nix -run Vendor -rewrite writes it", got, strings.TrimSpace(string(want)))
	}
}
