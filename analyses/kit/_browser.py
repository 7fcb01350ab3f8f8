"""A headless Chromium, asked over a pipe: pages are loaded, driven and photographed as users do.

The browser's own protocol (Chrome DevTools), a JSON message each way, needs no driver and no port.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Without a sandbox, which root cannot have; nothing but our own pages is loaded.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
)

# Chromium reads commands from descriptor 3 and writes to 4, whatever theirs are here.
REDIRECTED = "import os, sys; os.dup2({}, 3); os.dup2({}, 4); os.execv(sys.argv[1], sys.argv[1:])"
KEYS = {"Enter": 13, "Tab": 9, " ": 32, "ArrowLeft": 37, "ArrowUp": 38}
KEYS |= {"ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35}


class BrowserError(RuntimeError):
    """The browser ended, or refused a command."""


class Browser:
    """A tab of a running Chromium; `open_browser` starts one.

    Attributes:
        requests: The addresses that the page has asked for since it was loaded.
        complaints: What the page has said on its console since then: errors and warnings.
    """

    def __init__(self, sent: BinaryIO, received: BinaryIO) -> None:
        """Take the two ends, and open a tab."""
        self._sent, self._received = sent, received
        self._number, self._session = 0, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what happens meanwhile is noted."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._sent.write(json.dumps(message).encode() + b"\0")
        self._sent.flush()
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise BrowserError(f"{method}: {heard['error']['message']}")
                return heard["result"]

    def load(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a page at a size and in a color scheme, and wait until it says that it is ready."""
        self.resize(width, height)
        self.prefer("dark" if dark else "light")
        self.requests.clear()
        self.complaints.clear()
        self.ask("Page.navigate", url=path.absolute().as_uri())
        self.run(
            "new Promise(done => { const wait = () => document.documentElement?.dataset.ready "
            "? done() : setTimeout(wait, 20); wait() })"
        )

    def resize(self, width: int, height: int = 900) -> None:
        """Make the window so large."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """Ask for light or dark colors."""
        wish = {"name": "prefers-color-scheme", "value": scheme}
        self.ask("Emulation.setEmulatedMedia", features=[wish])

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript, promises awaited."""
        found = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def click(self, x: float, y: float) -> None:
        """Press and release the left button there."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def press(self, key: str) -> None:
        """Press and release a key, such as `Tab` or `ArrowDown`."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        named = {"key": key, "code": {" ": "Space"}.get(key, key)}
        code = {"windowsVirtualKeyCode": KEYS[key]}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **named, **code)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **named, **code)
        self.settle()

    def settle(self) -> None:
        """Wait for two frames."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def photograph(self, path: Path, *, whole: bool = False) -> None:
        """Save what the window shows, or the whole page, as PNG."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(b64decode(found["data"]))

    def _hear(self) -> dict[str, Any]:
        """The next message; requests and complaints are kept."""
        said = bytearray()
        while (byte := self._received.read(1)) != b"\0":
            if not byte:
                raise BrowserError("the browser has ended")
            said += byte
        message = json.loads(said)
        about = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(about["exceptionDetails"]))
            case "Log.entryAdded":
                self.complaints.append(str(about["entry"]["text"]))
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                self.complaints.append(str([a.get("value") for a in about["args"]]))
        return message


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium with a profile of its own, and end it at the end.

    Raises:
        BrowserError: If there is none.
    """
    if CHROMIUM is None:
        raise BrowserError("there is no chromium; Debian has it as the package chromium")
    to_read, sent = os.pipe()
    received, to_write = os.pipe()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        os.fdopen(sent, "wb") as pipe_in,
        os.fdopen(received, "rb") as pipe_out,
    ):
        running = subprocess.Popen(
            [sys.executable, "-c", REDIRECTED.format(to_read, to_write), CHROMIUM, *OPTIONS]
            + [f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            yield Browser(pipe_in, pipe_out)
        finally:
            running.terminate()
            running.wait()
