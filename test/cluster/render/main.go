// Renders a chart with the engine that Helm has, Go's text/template with Sprig and Helm's own functions, and prints the documents.
// Debian: golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev; GO111MODULE=off GOPATH=/usr/share/gocode.
//
//	main CHART RELEASE NAMESPACE VALUES.yaml API-VERSION…
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type dict = map[string]interface{}

type versions []string

// Has is what templates ask of .Capabilities.APIVersions.
func (known versions) Has(version string) bool {
	for _, each := range known {
		if each == version {
			return true
		}
	}
	return false
}

type files string

// Get is what templates ask of .Files.
func (chart files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(string(chart), name))
	check(err)
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) dict {
	text, err := os.ReadFile(path)
	check(err)
	values := dict{}
	check(yaml.Unmarshal(text, &values))
	return values
}

func merge(into, over dict) dict {
	for key, value := range over {
		before, wasMap := into[key].(dict)
		after, isMap := value.(dict)
		if wasMap && isMap {
			into[key] = merge(before, after)
		} else {
			into[key] = value
		}
	}
	return into
}

func main() {
	chart, release, namespace := os.Args[1], os.Args[2], os.Args[3]
	about := read(filepath.Join(chart, "Chart.yaml"))
	dot := dict{
		"Values":       merge(read(filepath.Join(chart, "values.yaml")), read(os.Args[4])),
		"Chart":        dict{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
		"Release":      dict{"Name": release, "Namespace": namespace, "Service": "Helm", "IsInstall": true},
		"Capabilities": dict{"APIVersions": versions(os.Args[5:])},
		"Files":        files(chart),
	}
	root := template.New("chart").Option("missingkey=zero").Funcs(sprig.TxtFuncMap())
	root.Funcs(template.FuncMap{
		"include": func(name string, data interface{}) (string, error) {
			var text bytes.Buffer
			err := root.ExecuteTemplate(&text, name, data)
			return text.String(), err
		},
		"toYaml": func(value interface{}) (string, error) {
			text, err := yaml.Marshal(value)
			return strings.TrimSuffix(string(text), "\n"), err
		},
		"lookup": func(_, _, _, _ string) dict { return dict{} },
	})
	names, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	sort.Strings(names)
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(err)
		_, err = root.New(filepath.Base(name)).Parse(string(text))
		check(err)
	}
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), "_") || !strings.HasSuffix(name, ".yaml") {
			continue
		}
		var text bytes.Buffer
		check(root.ExecuteTemplate(&text, filepath.Base(name), dot))
		fmt.Printf("---\n# %s\n%s\n", filepath.Base(name), strings.ReplaceAll(text.String(), "<no value>", ""))
	}
}
