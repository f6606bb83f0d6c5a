"""One question a file: ``answer(options)`` returns a Table."""
