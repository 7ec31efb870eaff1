# SPDX-License-Identifier: GPL-3.0-or-later
# fish completion for stepdump: options from --help, commands from stepdump's own completion.
function __stepdump_complete
    set -l program (commandline -opc)[1]
    set -l prev (commandline -opc)[-1]
    set -l cur (commandline -ct | string trim --chars '"\'')
    switch $prev
        case -p --p
            $program --complete "attach $cur" 2>/dev/null
        case -x --x -S --S -report --report
            __fish_complete_path $cur
        case -ex --ex
            $program --complete $cur 2>/dev/null
        case -lessons --lessons
            __fish_complete_directories $cur
        case -preflight --preflight
            printf '%s\n' off warn refuse
        case -color --color
            printf '%s\n' auto always never
        case '*'
            $program --help 2>/dev/null | sed -n 's/^  \(-[-a-zA-Z]*\) .*/\1/p'
            echo --
    end
end
complete -c stepdump -f -a '(__stepdump_complete)'
