"""`greenroom demo`: the life of a pull request on this machine."""

from bot.embedded.demo.presenter import DemoFailed
from bot.embedded.demo.run import run

__all__ = ["DemoFailed", "run"]
