"""``oauthguard completion``."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, get_completion_class

from ..parameters import pass_run
from ..run import Run

# Bash begins a new word at each colon and equals sign, so an issuer is several words. Click's script does not join them.
_BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value part number before='' words=()
    local line=${COMP_LINE:0:COMP_POINT}

    for ((number = 0; number <= COMP_CWORD; number++)); do
        part=${COMP_WORDS[number]}
        if [[ $number -gt 1 && ( $part == [:=]* || $before == *[:=] ) && ! ( -z $part && $line == *' ' ) ]]; then
            words[-1]+=$part
        else
            words+=("$part")
        fi
        before=$part
    done

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")

    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == plain ]]; then
            COMPREPLY+=("$value")
        fi
    done

    # Bash replaces only what comes after the last colon or equals sign.
    part=${words[-1]}
    [[ $part == -*=* ]] && part=${part#*=}
    COMPREPLY=("${COMPREPLY[@]#"${part%%"${part##*[:=]}"}"}")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template = _BASH


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_run
def completion(run: Run, shell: str) -> None:
    """Print the script that makes SHELL complete verbs and options.

    \b
      bash:  eval "$(oauthguard completion bash)"      in ~/.bashrc
      zsh:   eval "$(oauthguard completion zsh)"       in ~/.zshrc
      fish:  oauthguard completion fish > ~/.config/fish/completions/oauthguard.fish
    """
    made = _Bash if shell == "bash" else get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    run.console.write(made(root, {}, "oauthguard", "_OAUTHGUARD_COMPLETE").source())
