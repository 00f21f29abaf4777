"""`greenroom doctor`: checks the settings and what they refer to, and shows how to fix problems."""

from bot.doctor.checks import Finding, State
from bot.doctor.doctor import run_all_checks

__all__ = ["Finding", "State", "run_all_checks"]
