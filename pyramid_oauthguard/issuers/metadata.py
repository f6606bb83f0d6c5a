"""MetadataSource: what an issuer says about itself, and steady when the issuer is not (RFC 8414)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dogpile.cache import CacheRegion

from ..discovery import IssuerMetadata, fetch_metadata
from ..errors import CoolingError, UnavailableError
from ..fetch import Fetcher
from ..telemetry.counting import name_issuer
from .kept import Fetched, Kept
from .settings import IssuerSettings

__all__ = ["MetadataSource"]

_ENTRY: Final = "metadata"


class MetadataSource:
    """The metadata in force. The last good ones serve for as long as the issuer says nothing.

    Raises only CoolingError if they can't be fetched: who needs them for something else has to begin no cool-down of its own.
    """

    def __init__(self, settings: IssuerSettings, fetcher: Fetcher, region: CacheRegion) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._kept: Kept[IssuerMetadata] = Kept(
            "metadata",
            region,
            ask=self._ask,
            read=self._read,
            entry=_ENTRY,
            lifetime=settings.metadata_lifetime,
            cooldown=settings.keys_cooldown,
            max_stale=float("inf"),
            label=name_issuer(settings.issuer_name),
        )

    def require(self) -> IssuerMetadata:
        """:raises CoolingError: there are none, and the issuer can't be asked."""
        return self._wrap(lambda: self._kept.require(time.time()))

    def wait(self) -> IssuerMetadata:
        """Like :meth:`require`, and waits where they are just being asked for. For one thread at a time.

        :raises CoolingError: there are none, and the issuer can't be asked.
        """
        return self._wrap(self._kept.wait)

    def find_endpoint(self, name: str, metadata: IssuerMetadata) -> str:
        """The URL of the endpoint ``name``. :raises CoolingError: there is none; the metadata are asked for again soon."""
        try:
            url = metadata.find_endpoint(name)
            if url is None:
                raise UnavailableError("no_endpoint", f"{metadata.url} names no {name}", lasting=True)
        except UnavailableError as error:
            wait = self._kept.doubt()
            raise CoolingError(error.reason, error.detail, wait=wait, lasting=error.lasting) from error
        return url

    def distrust(self) -> None:
        """What they name is not there: ask for them before the next use."""
        self._kept.distrust()

    def find_wait(self) -> float:
        """Seconds until they may be asked for again after a failure; 0 where they may be now."""
        return self._kept.find_wait(time.time())

    def _wrap(self, find: Callable[[], IssuerMetadata]) -> IssuerMetadata:
        try:
            return find()
        except UnavailableError as error:
            raise CoolingError(error.reason, error.detail, wait=self.find_wait(), lasting=error.lasting) from error

    def _ask(self) -> Fetched[IssuerMetadata]:
        try:
            found = fetch_metadata(
                self._fetcher,
                self._settings.issuer,
                self._settings.metadata_url,
                insecure_hosts=self._settings.http_insecure_hosts,
                accepts=self._settings.is_described_by,
                wanted=self._settings.list_wanted(),
            )
        except UnavailableError as error:
            if error.reason == "other_issuer":
                self._kept.drop()  # what it last said holds while it says nothing, not once another one answers for it
            raise
        return Fetched(found, {"document": dict(found.document), "url": found.url})

    def _read(self, entry: Mapping[str, Any]) -> IssuerMetadata | None:
        document, url = entry.get("document"), entry.get("url")
        if (
            not isinstance(document, dict)
            or not isinstance(url, str)
            or not self._settings.is_described_by(document.get("issuer"))
        ):
            return None
        return IssuerMetadata(
            self._settings.issuer,
            document,
            url,
            home=self._settings.metadata_url or "",
            insecure_hosts=self._settings.http_insecure_hosts,
        )
