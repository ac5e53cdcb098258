"""Fetches a model file: the only module of the runtime that opens a connection, for `models add https://…` alone."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bump_edge.errors import ModelCorruptError, ModelError, UsageError
from bump_edge.version import __version__

_BLOCK = 1 << 20
_TIMEOUT_S = 60.0

Progress = Callable[[str, int, int | None], None]
"""Called with what is done, the bytes so far, and the bytes in all where they are known."""


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not newurl.startswith("https://"):
            raise UsageError(f"the source redirects to {newurl}, which is not https: take another source")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def file_name(address: str) -> str:
    """The last part of the path of `address`."""
    return unquote(urlsplit(address).path).rsplit("/", 1)[-1]


def fetch(address: str, target: Path, *, sha256: str, notify: Progress | None = None) -> None:
    """Fetch `address` into the new file `target` and check it.

    Args:
        address: ``https://…``; redirects are followed to https only.
        target: the file; deleted again if anything goes wrong.
        sha256: of the file, in hex.
        notify: told what is fetched, and how far.

    Raises:
        UsageError: not https.
        ModelError: the source does not answer, or stops in the middle.
        ModelCorruptError: what came has another sha256.
    """
    if not address.startswith("https://"):
        raise UsageError(f"a model is fetched over https only: got {address}")
    say = notify or (lambda _what, _done, _total: None)
    opener = urllib.request.build_opener(_HttpsOnly)
    request = urllib.request.Request(  # noqa: S310 - https was checked above
        address, headers={"User-Agent": f"bump-edge/{__version__}"}
    )
    say(f"fetching {address}", 0, None)
    digest = hashlib.sha256()
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer, target.open("xb") as out:
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            done = 0
            while block := answer.read(_BLOCK):
                digest.update(block)
                out.write(block)
                done += len(block)
                say(f"fetching {address}", done, total)
            if total is not None and done < total:
                raise ModelError(f"{address} stopped after {done} of {total} bytes: try again")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        target.unlink(missing_ok=True)
        raise ModelError(
            f"{address} cannot be fetched: {error}. Try again, or add a file that you have", details={"source": address}
        ) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if (found := digest.hexdigest()) != sha256.lower():
        target.unlink()
        raise ModelCorruptError(
            f"{address} has the sha256 {found}, expected {sha256}: another file was meant; nothing was added",
            details={"source": address, "sha256": found, "expected": sha256},
        )
