"""``oauthguard completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..parameters import pass_run
from ..run import Run


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
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    run.console.write(made(root, {}, "oauthguard", "_OAUTHGUARD_COMPLETE").source())
