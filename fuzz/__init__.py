"""Coverage-guided fuzzing: ``python -m fuzz --help``, or ``make fuzz``.

A harness is a module of :mod:`fuzz.harnesses` with one function, ``run(data)``. It returns None for every input that is
handled as it should be; any exception is a finding. The test suite replays ``fuzz/corpus`` without atheris.
"""
