package main

import (
	"io"
	"strings"
	"testing"
)

func TestEnvironment_UnknownVariables(t *testing.T) {
	parser, err := newParser(&cli{}, stdio{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ environ, want string }{
		{"", ""},
		{"HOME=/ REFRAIN=x REFRAINED_X=y PATH=REFRAIN_X", ""},
		{"REFRAIN_DB=x REFRAIN_TLS_CERT= REFRAIN_PKI_DIR=p REFRAIN_DEV_DIR=d REFRAIN_CONFIG=c", ""},
		// What Kubernetes sets for the services refrain and refrain-ops.
		{"REFRAIN_SERVICE_HOST=10.0.0.1 REFRAIN_SERVICE_PORT=8443 REFRAIN_SERVICE_PORT_HTTPS=8443 REFRAIN_PORT=tcp://10.0.0.1:8443 " +
			"REFRAIN_PORT_8443_TCP=tcp://10.0.0.1:8443 REFRAIN_PORT_8443_TCP_PROTO=tcp REFRAIN_PORT_8443_TCP_ADDR=10.0.0.1 " +
			"REFRAIN_OPS_SERVICE_HOST=10.0.0.2 REFRAIN_OPS_PORT=tcp://10.0.0.2:9090 REFRAIN_OPS_PORT_9090_TCP_PORT=9090", ""},

		{"REFRAIN_LISTN=:8443", "REFRAIN_LISTN: unknown variable in the environment, did you mean REFRAIN_LISTEN?"},
		{"REFRAIN_TLSCERT=x", "REFRAIN_TLSCERT: unknown variable in the environment, did you mean REFRAIN_TLS_CERT?"},
		{"REFRAIN_COLOUR_OF_THE_SKY=x", "REFRAIN_COLOUR_OF_THE_SKY: unknown variable in the environment, no command reads it"},
		{"REFRAIN_FORCE=true", "REFRAIN_FORCE: unknown variable in the environment, no command reads it: --force is for the command line only"},
		{"REFRAIN_PORTS=1", "REFRAIN_PORTS: unknown variable"},
		{"REFRAIN_XYZW=1 REFRAIN_DBX=x", "REFRAIN_DBX: unknown variable in the environment, did you mean REFRAIN_DB?\nREFRAIN_XYZW: "},
	} {
		err := checkEnvironment(parser.Model.Node, strings.Fields(test.environ))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngot:  %v\nwant: %s", test.environ, err, test.want)
		}
	}
}
