"""What the log says beside the message: request, path, client, issuer; as text or as JSON.

For the logging section of an ini file::

    [formatter_json]
    class = pyramid_oauthguard.logs.JSONFormatter
"""

from __future__ import annotations

from .formatters import JSONFormatter, TextFormatter
from .marking import install

__all__ = ["JSONFormatter", "TextFormatter", "install"]
