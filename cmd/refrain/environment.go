package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const environmentPrefix = "REFRAIN_"

// injected matches the variables that Kubernetes sets in every container for
// each service, here for those whose names begin with "refrain": the address and
// the ports.
var injected = regexp.MustCompile(`_SERVICE_|_PORT(_|$)`)

// checkEnvironment refuses the variables that look like refrain's and that no
// command knows, as it refuses unknown keys of the file: a variable with a typo
// would leave its flag at the default.
func checkEnvironment(model *kong.Node, environ []string) error {
	known := variablesOf(model)
	var problems []string
	for _, setting := range environ {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, environmentPrefix) || known[name] || injected.MatchString(name) {
			continue
		}
		problems = append(problems, fmt.Sprintf("%s: unknown variable in the environment, %s", name, suggestVariable(known, name)))
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return &commandError{
		err: fmt.Errorf("%s", strings.Join(problems, "\n")), code: exitUsage,
		hint: "unset it, or correct its name; refrain COMMAND --help shows the variables of a command; nothing was started",
	}
}

// variablesOf returns the variables of a grammar: true for those that a command
// reads, false for those that flags would have that are for the command line only.
func variablesOf(node *kong.Node) map[string]bool {
	known := map[string]bool{}
	var walk func(*kong.Node)
	walk = func(node *kong.Node) {
		for _, flag := range node.Flags {
			if len(flag.Envs) == 0 {
				known[environmentPrefix+strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))] = false
			}
			for _, name := range flag.Envs {
				known[name] = true
			}
		}
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(node)
	return known
}

// suggestVariable says which variable an unknown one may have meant.
func suggestVariable(known map[string]bool, name string) string {
	if _, flagOnly := known[name]; flagOnly {
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, environmentPrefix), "_", "-"))
		return "no command reads it: --" + flag + " is for the command line only"
	}
	candidates := slices.DeleteFunc(slices.Sorted(maps.Keys(known)), func(candidate string) bool { return !known[candidate] })
	nearest, distance := nearestWithin(name, candidates, 4)
	if nearest != "" && distance < len(name)-len(environmentPrefix) {
		return "did you mean " + nearest + "?"
	}
	return "no command reads it"
}
