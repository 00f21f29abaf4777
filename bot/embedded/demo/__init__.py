"""`greenroom demo`: what Greenroom does for a pull request, played on this machine."""

from bot.embedded.demo.run import run
from bot.embedded.demo.teller import DemoFailed

__all__ = ["DemoFailed", "run"]
