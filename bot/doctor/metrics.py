"""Checks that the metrics of the gateway can be read."""

from __future__ import annotations

from bot.doctor.checks import CheckFailed
from bot.metrics.gateway import GatewayMetrics
from bot.model.errors import Unavailable
from bot.settings import Settings, variable


async def check_gateway_metrics(settings: Settings) -> str:
    """Reads the metrics of every pod of the gateway."""
    name = variable("gateway_metrics")
    if settings.gateway_metrics is None:
        return f"none: set {name} for canaries that read the metrics of the gateway's pods"
    async with GatewayMetrics(settings.gateway_metrics) as metrics:
        try:
            pods = await metrics.pods()
        except Unavailable as error:
            advice = f"Correct {name}, and let the bot reach the gateway's pods."
            raise CheckFailed(f"{error} {advice}") from None
    return f"readable from {pods} pod{'s' * (pods != 1)} of the gateway"
