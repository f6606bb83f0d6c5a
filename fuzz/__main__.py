"""Run harnesses under atheris, each in a process of its own.

    python -m fuzz                          # every harness, 60 seconds in all
    python -m fuzz tokens --seconds 600
    python -m fuzz discovery --runs 1000000
    python -m fuzz --seed 1                 # the same random numbers and numbers of runs each time; about a minute

An input that is a finding is kept in var/fuzz/. Copy it to fuzz/corpus/HARNESS/ under a name that says what it shows, and the
test suite replays it from then on.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from .harnesses import NAMES, RUNS

_CORPUS = Path(__file__).parent / "corpus"
_SECONDS = 60
_SLOW_SECONDS = 20
_LONGEST_BYTES = 4096
_FINDINGS = Path("var/fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("harness", nargs="*", metavar="HARNESS", help=f"of {', '.join(NAMES)}; without one, all")
    parser.add_argument(
        "--seconds", type=int, default=0, help="in all, shared by the harnesses; without --runs and --seed 60"
    )
    parser.add_argument("--runs", type=int, default=0, help="of each harness, instead of --seconds")
    parser.add_argument(
        "--seed", type=int, help="of the random numbers; alone it gives each harness a fixed number of runs"
    )
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
    failed = []
    for name in names:
        print(f"── {name}", flush=True)
        if _run_child(name, options, _find_limit(name, options, len(names))):
            failed.append(name)
    print(f"findings in: {', '.join(failed)}; the inputs are in {_FINDINGS}" if failed else "no findings")
    return 1 if failed else 0


def _find_limit(name: str, options: argparse.Namespace, harnesses: int) -> list[str]:
    if options.runs:
        return ["--runs", str(options.runs)]
    if options.seed and not options.seconds:  # how many inputs fit into a time differs from run to run
        return ["--runs", str(RUNS[name])]
    return ["--seconds", str(max(1, (options.seconds or _SECONDS) // harnesses))]


def _run_child(name: str, options: argparse.Namespace, limit: list[str]) -> int:
    command = [sys.executable, "-m", "fuzz", "--child", name, *limit]
    if not options.seed:
        return subprocess.run(command, check=False).returncode
    # Sets of text have the same order in each run only with this variable.
    return subprocess.run(
        [*command, "--seed", str(options.seed)], check=False, env={**os.environ, "PYTHONHASHSEED": "0"}
    ).returncode


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
            f"-seed={options.seed or 0}",  # 0 is one of its own choice
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([*arguments, grown, *seeds], keep_findings(name, run))
        atheris.Fuzz()
    return 0


def keep_findings(name: str, run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """``run``, which also keeps the input where it raises. libFuzzer itself keeps inputs that take too long, and not these."""

    def keeping(data: bytes) -> None:
        try:
            run(data)
        except Exception:
            path = _FINDINGS / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
            path.write_bytes(data)
            print(f"finding: {path}, in base64 {base64.b64encode(data).decode()}", file=sys.stderr, flush=True)
            raise

    return keeping


if __name__ == "__main__":
    sys.exit(main())
