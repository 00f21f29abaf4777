"""Checks that the gateway answers where users and the bot expect it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.routing.gateway import HttpGateway
from bot.doctor.checks import CheckFailed
from bot.model.connection import ConnectionFailure
from bot.model.manifest import Answer
from bot.settings import Domain, Settings, variable

_LABEL = "greenroom-doctor"
"""A host without a route: the gateway answers with an error, which shows that it runs."""
_REDIRECTS = (301, 302, 307, 308)
_ONLY_TLS = "HTTPS"
"""A word in the answers of servers that expect TLS to a request without it."""


async def check_gateway_answers(settings: Settings) -> str:
    """Sends one request for an unused host of each domain."""
    answered: list[str] = []
    problems: list[str] = []
    for name, domain in domains(settings):
        async with HttpGateway(domain, settings.gateway_address, settings.gateway_ca_file) as gateway:
            host = gateway.host(_LABEL)
            answer = await gateway.get(host, "/")
            problem = gateway_problem(answer, name, domain, gateway.address(host))
        if problem is None:
            answered.append(str(domain))
        else:
            problems.append(problem)
    if problems:
        raise CheckFailed("\n".join(problems))
    return f"answers for {' and '.join(answered)}"


def domains(settings: Settings) -> Sequence[tuple[str, Domain]]:
    """The variables of the domains, with their values."""
    named = (
        (variable("base_domain"), settings.base_domain),
        (variable("fork_base_domain"), settings.fork_base_domain),
    )
    return [(name, domain) for name, domain in named if domain is not None]


def gateway_problem(answer: Answer, name: str, domain: Domain, address: str) -> str | None:
    """What is wrong and what to do; None for an answer. `name` is the variable of the domain."""
    elsewhere = f"Correct scheme and port in {name}, or set GREENROOM_GATEWAY_ADDRESS to where it listens."
    host, secure = f"*.{domain.host}", domain.scheme == "https"
    if answer.status is not None:
        return None if secure else _needs_tls(answer, name, domain)
    match answer.failure:
        case ConnectionFailure.REFUSED:
            return f"Nothing listens at {address}, where the gateway of {domain} is expected. {elsewhere}"
        case ConnectionFailure.UNKNOWN_NAME:
            record = f"Names below {domain.host} cannot be resolved. Create a DNS record for {host}"
            return f"{record}; if only the bot cannot resolve it, set GREENROOM_GATEWAY_ADDRESS."
        case ConnectionFailure.NOT_TLS:
            return (
                f"{address} answers without TLS. Give the Gateway's listener a certificate for {host}, or "
                f"write http:// in {name}."
            )
        case ConnectionFailure.CERTIFICATE_OF_OTHER_HOST:
            return f"The certificate at {address} is not valid for {host}. Give the listener one that is."
        case ConnectionFailure.UNTRUSTED:
            return f"{answer.error[:1].upper()}{answer.error[1:]}."
    if answer.timed_out:
        return f"{address} does not answer: {answer.error}. Check firewalls and network policies. {elsewhere}"
    closed = "" if secure else f" If it expects TLS, write https:// in {name}."
    return f"{address} closed the connection: {answer.error.rstrip('.')}.{closed} {elsewhere}"


def _needs_tls(answer: Answer, name: str, domain: Domain) -> str | None:
    if answer.status in _REDIRECTS:
        return f"The gateway redirects {domain}. If it redirects to https://, write that in {name}."
    if answer.status == 400 and _ONLY_TLS in answer.body:
        return f"The gateway expects TLS at {domain}. Write https:// in {name}."
    return None
