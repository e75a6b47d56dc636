package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// CompletionCmd prints completions for a shell.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"Shell: bash, zsh, fish or powershell."`
}

// Examples implements exampler.
func (*CompletionCmd) Examples() []string {
	return []string{
		`eval "$(jeton completion bash)"`,
		"jeton completion fish > ~/.config/fish/completions/jeton.fish",
	}
}

// words are what may follow a command: further commands, flags, values.
type words struct {
	path string // "jeton client"
	list []string
}

// Run prints a script that knows every command and flag of this version.
func (c *CompletionCmd) Run(env *Env) error {
	k, err := parser(env)
	if err != nil {
		return err
	}
	var table []words
	collect(k.Model.Node, &table)
	print := map[string]func(io.Writer, []words) error{
		"bash": bash, "zsh": zsh, "fish": fish, "powershell": powershell,
	}[c.Shell]
	return print(env.Stdout, table)
}

func collect(n *kong.Node, table *[]words) {
	w := words{path: fullPath(n)}
	for _, c := range n.Children {
		if !c.Hidden {
			w.list = append(w.list, c.Name)
		}
	}
	for _, f := range n.Flags {
		if !f.Hidden {
			w.list = append(w.list, "--"+f.Name)
		}
	}
	for _, p := range n.Positional {
		if p.Enum != "" {
			w.list = append(w.list, p.EnumSlice()...)
		}
	}
	*table = append(*table, w)
	for _, c := range n.Children {
		if !c.Hidden {
			collect(c, table)
		}
	}
}

// paths lists every command path as alternatives of a shell's case.
func paths(table []words) string {
	list := make([]string, len(table))
	for i, w := range table {
		list[i] = `"` + w.path + `"`
	}
	return strings.Join(list, "|")
}

func cases(table []words) string {
	var b strings.Builder
	for _, w := range table {
		fmt.Fprintf(&b, "    %q) list=%q ;;\n", w.path, strings.Join(w.list, " "))
	}
	return b.String()
}

const bashScript = `# bash completion for jeton
_jeton() {
  local at=jeton list= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at ${COMP_WORDS[i]}" in
    %s) at="$at ${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at" in
%s  esac
  COMPREPLY=($(compgen -W "$list" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _jeton jeton
`

func bash(w io.Writer, table []words) error {
	_, err := fmt.Fprintf(w, bashScript, paths(table), cases(table))
	return err
}

const zshScript = `#compdef jeton
_jeton() {
  local at=jeton list= i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at ${words[i]}" in
    %s) at="$at ${words[i]}" ;;
    esac
  done
  case "$at" in
%s  esac
  compadd -- ${=list} || _files
}
compdef _jeton jeton
`

func zsh(w io.Writer, table []words) error {
	_, err := fmt.Fprintf(w, zshScript, paths(table), cases(table))
	return err
}

const fishScript = `# fish completion for jeton
function __jeton_path
  set -l at jeton
  for word in (commandline -opc)[2..-1]
    if contains -- "$at $word" %s
      set at "$at $word"
    end
  end
  echo $at
end
%s`

func fish(w io.Writer, table []words) error {
	var lines strings.Builder
	for _, x := range table {
		fmt.Fprintf(&lines, "complete -c jeton -n 'test (__jeton_path) = %q' -a %q\n", x.path, strings.Join(x.list, " "))
	}
	_, err := fmt.Fprintf(w, fishScript, strings.ReplaceAll(paths(table), "|", " "), lines.String())
	return err
}

const powershellScript = `# PowerShell completion for jeton
Register-ArgumentCompleter -Native -CommandName jeton -ScriptBlock {
  param($word, $ast, $position)
  $table = @{
%s  }
  $path = 'jeton'
  foreach ($e in $ast.CommandElements | Select-Object -Skip 1) {
    if ($table.ContainsKey("$path $e")) { $path = "$path $e" }
  }
  $table[$path] -split ' ' | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`

func powershell(w io.Writer, table []words) error {
	var lines strings.Builder
	for _, x := range table {
		fmt.Fprintf(&lines, "    '%s' = '%s'\n", x.path, strings.Join(x.list, " "))
	}
	_, err := fmt.Fprintf(w, powershellScript, lines.String())
	return err
}
