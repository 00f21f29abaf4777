"""Tries out everything that the bot needs, and says what to do where something fails."""

from bot.doctor.examination import run_all_checks
from bot.doctor.findings import Finding, State

__all__ = ["Finding", "State", "run_all_checks"]
