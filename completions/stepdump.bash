# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion for stepdump: options from --help, commands from stepdump's own completion.
_stepdump() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i line
	local program=${COMP_WORDS[0]}

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then # a program and its arguments
			mapfile -t COMPREPLY < <(compgen -c -- "$cur"; compgen -f -- "$cur")
			return
		fi
	done
	case $prev in
	-p | --p)
		mapfile -t COMPREPLY < <("$program" --complete "attach $cur" 2>/dev/null)
		;;
	-x | --x | -S | --S | -report | --report)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-ex | --ex)
		line=${cur#[\'\"]}
		[[ $line == *' '* ]] && return
		mapfile -t COMPREPLY < <("$program" --complete "$line" 2>/dev/null)
		;;
	-lessons | --lessons)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	-color | --color)
		mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur")
		;;
	-preflight | --preflight)
		mapfile -t COMPREPLY < <(compgen -W 'off warn refuse' -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null |
			sed -n 's/^  \(-[-a-zA-Z]*\) .*/\1/p') --" -- "$cur")
		;;
	esac
}
complete -F _stepdump stepdump
