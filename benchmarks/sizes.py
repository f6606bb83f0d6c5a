"""The sizes of functions and files of the package: `python -m benchmarks.sizes [FOLDER]`.

A function's size is `end_lineno - lineno + 1` of its `def`, with the docstring and the functions inside it.
"""

from __future__ import annotations

import ast
import statistics
import sys
from pathlib import Path

_LONG_FUNCTION_LINES = 40
_LONG_FILE_LINES = 300
_CROWDED_FILES = 20


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "pyramid_oauthguard")
    sources = {path: path.read_text("utf-8") for path in sorted(root.rglob("*.py"))}
    functions = [found for path, source in sources.items() for found in _list_functions(path, source)]
    files = {str(path): len(source.splitlines()) for path, source in sources.items()}
    print(f"functions: {len(functions)}, median {statistics.median(size for size, _ in functions):g} lines")
    _print_long("functions", _LONG_FUNCTION_LINES, functions)
    print(f"files: {len(files)}, median {statistics.median(files.values()):g} lines")
    _print_long("files", _LONG_FILE_LINES, [(size, name) for name, size in files.items()])
    packages = {path.parent for path in sources}
    crowds = [(sum(1 for path in sources if path.parent == package), str(package)) for package in packages]
    _print_long("packages by files", _CROWDED_FILES, crowds)


def _list_functions(path: Path, source: str) -> list[tuple[int, str]]:
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [((node.end_lineno or node.lineno) - node.lineno + 1, f"{path}:{node.lineno} {node.name}") for node in found]


def _print_long(what: str, limit: int, sizes: list[tuple[int, str]]) -> None:
    long = sorted((each for each in sizes if each[0] > limit), reverse=True)
    print(f"{what} over {limit}: {len(long)}")
    for size, name in long:
        print(f"  {size:4} {name}")


if __name__ == "__main__":
    main()
