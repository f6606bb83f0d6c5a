"""Run harnesses under atheris, each in a process of its own.

    python -m fuzz                          # every harness, 60 seconds in all
    python -m fuzz tokens --seconds 600
    python -m fuzz discovery --runs 1000000

An input that is a finding is kept in var/fuzz/. Copy it to fuzz/corpus/HARNESS/ under a name that says what it shows, and the
test suite replays it from then on.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

from .harnesses import NAMES

_CORPUS = Path(__file__).parent / "corpus"
_SLOW_SECONDS = 20
_LONGEST_BYTES = 4096
_FINDINGS = Path("var/fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("harness", nargs="*", metavar="HARNESS", help=f"of {', '.join(NAMES)}; without one, all")
    parser.add_argument("--seconds", type=int, default=60, help="in all, shared by the harnesses")
    parser.add_argument("--runs", type=int, default=0, help="of each harness, instead of --seconds")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return _fuzz(options.child, options)
    unknown = set(options.harness) - set(NAMES)
    if unknown:
        parser.error(f"not a harness: {', '.join(sorted(unknown))}; known are {', '.join(NAMES)}")
    return _run_all(options.harness or list(NAMES), options)


def _run_all(names: list[str], options: argparse.Namespace) -> int:
    _FINDINGS.mkdir(parents=True, exist_ok=True)
    limit = ["--runs", str(options.runs)] if options.runs else ["--seconds", str(max(1, options.seconds // len(names)))]
    failed = []
    for name in names:
        print(f"── {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", "fuzz", "--child", name, *limit], check=False)
        if done.returncode:
            failed.append(name)
    print(f"findings in: {', '.join(failed)}; the inputs are in {_FINDINGS}" if failed else "no findings")
    return 1 if failed else 0


def _fuzz(name: str, options: argparse.Namespace) -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: pip install 'pyramid_oauthguard[fuzz]'", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["pyramid_oauthguard"]):
        run = importlib.import_module(f"fuzz.harnesses.{name}").run
    limit = f"-runs={options.runs}" if options.runs else f"-max_total_time={options.seconds}"
    with tempfile.TemporaryDirectory() as grown:
        seeds = [str(_CORPUS / name)] if (_CORPUS / name).is_dir() else []
        arguments = [
            f"fuzz {name}",
            limit,
            f"-timeout={_SLOW_SECONDS}",
            f"-max_len={_LONGEST_BYTES}",
            f"-artifact_prefix={_FINDINGS}/{name}-",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([*arguments, grown, *seeds], run)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
