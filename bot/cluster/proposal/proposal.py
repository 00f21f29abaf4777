"""The proposed `.greenroom.yml`, and what could not be decided. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from bot.cluster.guard.custom_kinds import allowed_kind
from bot.cluster.guard.objects import kind_finding
from bot.cluster.manifests import Source
from bot.cluster.node import InvalidShape, Node
from bot.cluster.policy import ClusterPolicy
from bot.cluster.proposal.compose import lacking_services
from bot.cluster.proposal.files import dockerfiles
from bot.cluster.proposal.images import OwnImage, guessed_repository, is_others, own_images
from bot.cluster.proposal.places import Place
from bot.cluster.proposal.published import published_services
from bot.cluster.proposal.routes import candidates, own_routes
from bot.cluster.proposal.workloads import image_references
from bot.cluster.render.transforms import transform_sources
from bot.cluster.render.transforms.base import Context
from bot.cluster.render.transforms.routes import is_route
from bot.cluster.render.transforms.workload_kinds import replace_daemon_sets, replace_workloads
from bot.config.yaml_text import yaml_text
from bot.model.image_reference import split_reference
from bot.model.manifest import RenderRequest
from bot.model.notes import Effect, Note
from bot.model.repository import Repository
from bot.model.size import Size

_NOT_RENDERED = (
    "The manifests do not render, so `images` and the route are unknown. Correct the mistake, delete this "
    "file, and run `greenroom init` again."
)
_MOST = 5
"""Names in a remark."""


@dataclass(frozen=True, slots=True)
class Proposal:
    configuration: Mapping[str, Any]
    undecided: tuple[str, ...]
    """What the owner of the repository must check or complete, in one sentence each."""

    @property
    def text(self) -> str:
        """The file."""
        lines = [f"# {sentence}" for sentence in self.undecided]
        return "\n".join([*lines, yaml_text(self.configuration)])


def propose(
    files: Mapping[str, bytes],
    place: Place,
    sources: Sequence[Source],
    repository: Repository,
    ignored: Sequence[str],
    *,
    routes_of_manifests: bool = True,
) -> Proposal:
    """`sources` are the objects that the place's tool renders, `ignored` the kinds that are refused."""
    owner, name = repository.owner, repository.name
    references, built = image_references(sources), dockerfiles(files)
    images = own_images(references, built, owner, name)
    undecided = _about_images(images, built, references) if sources else [_NOT_RENDERED]
    if not images:
        images = [OwnImage("app", guessed_repository(owner, name))]
    if place.chosen:
        undecided.append(
            f"`plain` lists parts of `{place.path or '.'}`. Check that they are what production runs."
        )
    section = place.section | ({"ignore": list(ignored)} if ignored else {})
    if ignored:
        undecided.append(
            f"No environment gets these kinds: {_listed(ignored)}. Check that previews work without."
        )
    configuration: dict[str, Any] = {
        "version": 1,
        "images": {image.key: image.section for image in images},
        "manifests": section,
    }
    names = {image.name or image.repository for image in images}
    if routes_of_manifests and own_routes(sources):
        configuration["routes"] = "manifests"
    else:
        undecided += _route(sources, names, published_services(files), configuration)
    undecided += _about_compose(files, sources, references)
    return Proposal(configuration, tuple(undecided))


def _about_images(images: Sequence[OwnImage], built: Sequence[str], references: Sequence[str]) -> list[str]:
    if not images:
        return ["No image of the manifests is known. Name those that CI builds in `images`."]
    guesses = [image.repository for image in images if image.name]
    remarks = [
        f"The repositories {_listed(guesses)} are guesses: name those to which CI pushes."
        if len(guesses) > 1
        else f"The repository {_listed(guesses)} is a guess: name the one to which CI pushes."
    ][: len(guesses)]
    own = {image.name or image.repository for image in images}
    written = dict.fromkeys(split_reference(reference)[0] for reference in references)
    others = [name for name in written if name not in own and not is_others(name)]
    if not built:
        remarks.append(f"There is no Dockerfile. Check that CI builds {_listed([*own])}.")
    elif others and len(images) < len(built):
        remarks.append(
            f"There are {len(built)} Dockerfiles. Check whether CI builds one of {_listed(others)}."
        )
    return [*remarks, "CI must push each of `images` with the full commit SHA as its tag."]


def _route(
    sources: Sequence[Source], own: set[str], published: set[str], configuration: dict[str, Any]
) -> list[str]:
    """Adds the route to the configuration; what could not be decided about it."""
    if not sources:
        return []
    services = candidates(sources, own, published)
    if not services:
        return ["No Service has a port for HTTP, so the preview has no URL. Add `route` if there is one."]
    best = services[0]
    exposed = [service for service in services if service.exposed and not service.grpc][:_MOST]
    if best in exposed and len(exposed) > 1:
        configuration["routes"] = [
            {"name": service.service, "service": service.service, "port": service.port}
            | ({"host": service.service} if service is not best else {})
            for service in exposed
        ]
        return [f"The URL is that of Service {best.service}, the first of `routes`. Check the order."]
    if best.grpc:
        entry = {"name": best.service, "service": best.service, "port": best.port, "protocol": "grpc"}
        configuration["routes"] = [entry]
    else:
        configuration["route"] = {"service": best.service, "port": best.port}
    further = [candidate.service for candidate in services[1:] if candidate.score >= best.score - 1]
    if further:
        return [
            f"Service {best.service} is a guess; others are {_listed(further)}. See `routes` for several."
        ]
    return []


def _about_compose(
    files: Mapping[str, bytes], sources: Sequence[Source], references: Sequence[str]
) -> list[str]:
    """What local development has and the manifests lack: production may have it from outside."""
    lacking = lacking_services(files, sources, references) if sources else []
    if not lacking:
        return []
    return [f"Compose runs {_listed(lacking)}, but the manifests do not. `preview.manifests` can add it."]


def with_missing(proposal: Proposal, notes: Sequence[Note]) -> Proposal:
    """The proposal with what the objects refer to and nothing creates."""
    missing = list(dict.fromkeys(note.object for note in notes if note.effect is Effect.MISSING))
    if not missing:
        return proposal
    remark = f"Nothing creates {_listed(missing)}. Previews need it: see `preview.manifests`."
    return replace(proposal, undecided=(*proposal.undecided, remark))


def with_refused(proposal: Proposal, parts: Sequence[str]) -> Proposal:
    """The proposal that names the parts which it does not have, because they are refused."""
    remark = f"`plain` omits what Greenroom refuses: {_listed(parts)}. List one to see the reason."
    return replace(proposal, undecided=(*proposal.undecided, remark))


def without_rights(proposal: Proposal) -> Proposal:
    """The proposal without the Roles of the manifests, which ask for more than an environment gives."""
    manifests = proposal.configuration["manifests"]
    ignored = [*manifests.get("ignore", ()), "Role", "RoleBinding"]
    remark = (
        "Roles of the manifests ask for rights that no environment gives, so `ignore` has them. Check that "
        "previews work without, or delete these rights."
    )
    configuration = {**proposal.configuration, "manifests": {**manifests, "ignore": ignored}}
    return Proposal(configuration, (*proposal.undecided, remark))


def with_size(proposal: Proposal, requested: Size, available: Size) -> Proposal:
    """The proposal with the size that the objects request, if they request more than is available."""
    excess = requested.excess(available)
    if not excess or "preview" in proposal.configuration:
        return proposal
    amounts = {name: amount for name, (amount, _) in excess.items()}
    remark = (
        f"Production requests more {' and '.join(excess)} than a preview has by default. `preview.size` "
        "requests it, up to the operator's maximum; `preview.manifests` can request less."
    )
    configuration = {**proposal.configuration, "preview": {"size": amounts}}
    return Proposal(configuration, (*proposal.undecided, remark))


def as_deployed(sources: Sequence[Source], request: RenderRequest, policy: ClusterPolicy) -> Sequence[Source]:
    """The objects with the workloads that an environment runs in place of others."""
    copies = [replace(source, manifest=deepcopy(source.manifest)) for source in sources]
    context = Context(request, policy)
    return replace_daemon_sets(replace_workloads(copies, context)[0], context)[0]


def refused_kinds(sources: Sequence[Source], request: RenderRequest, policy: ClusterPolicy) -> list[str]:
    """Kinds that an environment may not have, besides those that are always left out."""
    kept, _ = transform_sources(sources, Context(request, policy))
    return sorted({source.manifest["kind"] for source in kept if _is_refused(source, policy)})


def _is_refused(source: Source, policy: ClusterPolicy) -> bool:
    if is_route(source) or allowed_kind(source.manifest, policy) is not None:
        return False
    try:
        finding = kind_finding(Node(source.manifest))
    except InvalidShape:
        return False
    return finding is not None and finding.path == ("kind",)


def _listed(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names[:_MOST]]
    return ", ".join([*shown, *([f"{len(names) - _MOST} more"] if len(names) > _MOST else [])])
