"""Sentences for the typed reasons of environments. Pure.

They are plain text in which `code` marks names and commands; the messages around them escape the rest.
"""

from __future__ import annotations

from typing import assert_never

from bot.config.loader import CONFIG_FILE
from bot.environments.cluster_reasons import ClusterNotGranted, NamespaceLeft, StaysOnCluster
from bot.environments.data_reasons import (
    DeletingData,
    JobFailed,
    JobWaiting,
    MigrationsPassed,
    NewDataImpossible,
    Seeded,
)
from bot.environments.hook_reasons import HookFailed, HookWaiting
from bot.environments.image_reasons import CiFailed, ImageMissing, RegistryUnavailable, UnexpectedImage
from bot.environments.infrastructure.reasons import InfrastructureReason
from bot.environments.reasons import (
    AttemptStarted,
    BaseChanged,
    CheckCompleted,
    CheckFailed,
    ChecksFailed,
    ChecksRunning,
    DeploymentsDeactivated,
    Destroyed,
    EnvironmentReason,
    Expiring,
    ForeignNamespace,
    ForkNotAllowed,
    GatewayMismatch,
    HeadChanged,
    HttpResult,
    ImmutableFieldsChanged,
    LabelsChanged,
    LifecycleReason,
    ManifestNotes,
    ManifestsDiffer,
    ManifestsTransformed,
    NamespaceRenamed,
    ObjectFailed,
    ObjectWaiting,
    Overdue,
    PhaseReason,
    PlainReason,
    Queued,
    ReleaseTargeted,
    ServiceWaiting,
    Serving,
    SizeExceeded,
    SkippedLabel,
    TimedOut,
    TtlLimited,
    UnknownRoute,
)
from bot.environments.rollout_reasons import RolloutReason
from bot.environments.secret_reasons import SecretReason
from bot.environments.sleep_reasons import SleepReason
from bot.environments.views import EnvironmentView
from bot.github.messages.cluster_reasons import describe_cluster
from bot.github.messages.data_reasons import describe_data
from bot.github.messages.infrastructure import describe_infrastructure
from bot.github.messages.manifest_notes import manifest_notes, note_counts
from bot.github.messages.markdown import clause, ended, name_list
from bot.github.messages.rollout import describe_rollout
from bot.github.messages.secret_reasons import describe_secrets
from bot.github.messages.sleep_reasons import describe_sleep
from bot.model.ci import CiState
from bot.model.durations import format_duration
from bot.model.environment import EnvironmentKind, EnvironmentState
from bot.model.quota import SHOWN_POSITIONS, Scope
from bot.model.reason import Reported
from bot.model.work import ScheduledWork


def describe(reason: EnvironmentReason) -> str:
    """Sentences that name the reason and, where the reader can act, what to do."""
    if isinstance(reason, Reported):
        return ended(reason.text)
    if isinstance(reason, PlainReason):
        return _plain(reason)
    if isinstance(reason, RolloutReason):
        return ended(describe_rollout(reason))
    if isinstance(reason, SleepReason):
        return describe_sleep(reason)
    if isinstance(reason, InfrastructureReason):
        return ended(describe_infrastructure(reason))
    if isinstance(reason, SecretReason):
        return describe_secrets(reason)
    return ended(_lifecycle(reason) if isinstance(reason, LifecycleReason) else _phase(reason))


def headline(view: EnvironmentView) -> str:
    """One sentence: what runs, or what happens to it."""
    commit = (view.commit or "")[:7] or "The head"
    previous = view.live_commit if view.live_commit not in (None, view.commit) else None
    still = f" {previous[:7]} still runs." if previous else ""
    match view.state:
        case EnvironmentState.PENDING:
            return f"{commit} is being deployed.{still}"
        case EnvironmentState.WAITING:
            return f"{commit} is waiting.{still}"
        case EnvironmentState.READY:
            return f"{commit} is ready."
        case EnvironmentState.CHECKS_FAILED:
            return f"{commit} runs, but its checks failed."
        case EnvironmentState.ASLEEP:
            return f"{commit} is asleep."
        case EnvironmentState.FAILED:
            return f"{commit} failed.{still}"
        case EnvironmentState.REFUSED:
            return "Nothing runs here."
        case EnvironmentState.DELETING:
            return "The environment is being deleted."
        case EnvironmentState.GONE:
            return "The environment was deleted."


def last_error(work: ScheduledWork | None) -> str:
    """Why the last runs failed; "" when they did not."""
    if work is None or not work.error:
        return ""
    times = "once" if work.attempts == 1 else f"{work.attempts} times in a row"
    return ended(f"The last run failed ({times}): {work.error}")


def _plain(reason: PlainReason) -> str:  # noqa: C901 - one case for each reason
    match reason:
        case PlainReason.PULL_REQUEST_MERGED:
            return "The pull request was merged."
        case PlainReason.PULL_REQUEST_CLOSED:
            return "The pull request was closed."
        case PlainReason.PULL_REQUEST_REOPENED:
            return "The pull request was reopened."
        case PlainReason.PULL_REQUEST_NOT_VISIBLE:
            return "GitHub does not show the pull request. Nothing changes until it does."
        case PlainReason.REPOSITORY_ARCHIVED:
            return "The repository is archived."
        case PlainReason.EXPIRED:
            return "The preview expired. A push or `/preview` creates it again."
        case PlainReason.SKIPPED_DRAFT:
            return "No preview for drafts (`preview.skip.drafts`). Mark the pull request as ready for review."
        case PlainReason.SKIPPED_BOT:
            return "No preview for pull requests by bots (`preview.skip.bots`)."
        case PlainReason.SKIPPED_PATHS:
            return "No preview: all changed paths match `preview.skip.paths_only`."
        case PlainReason.CONVERTED_TO_DRAFT:
            return "The pull request was converted to a draft."
        case PlainReason.READY_FOR_REVIEW:
            return "The pull request is ready for review."
        case PlainReason.CONFIGURATION_MISSING:
            return f"The default branch has no `{CONFIG_FILE}`."
        case PlainReason.CONFIGURATION_INVALID:
            return f"`{CONFIG_FILE}` on the default branch is invalid. Fix it there to continue."
        case PlainReason.CONFIGURATION_CHANGED:
            return f"`{CONFIG_FILE}` on the default branch changed."
        case PlainReason.RELEASE_CONFIGURATION_INVALID:
            return "The release's configuration is invalid."
        case PlainReason.NO_TARGET:
            return "No release is requested for this environment any more."
        case PlainReason.SLOT_ASSIGNED:
            return "A slot became free."
        case PlainReason.NAMESPACE_TERMINATING:
            return "Waiting for the previous namespace to be deleted."
        case PlainReason.NAMESPACE_RECREATED:
            return "The namespace was deleted by another client and is created again."
        case PlainReason.DATA_RESET_BY_COMMAND:
            return "The data is reset and seeded again, as requested by `/reseed`."
        case PlainReason.DATA_RESET_BY_PUSH:
            return "The data is reset and seeded again for each push (`data.on_push: reset`)."
        case PlainReason.MIGRATIONS_UNCHANGED:
            return "The same migrations ran on this data before."
        case PlainReason.DATA_KEPT:
            return "The data was kept: the reset did not begin."
        case PlainReason.SEED_FIXABLE:
            return "Push a fix, or run the seed again on empty data with `/reseed`."
        case PlainReason.SEED_NOT_REPEATABLE:
            return "The seed ran on existing data. A seed that cannot run twice needs `data.on_push: reset`."
        case PlainReason.GATEWAY_CONFIRMING:
            return "The gateway responds. Waiting for the pods of the previous release to stop."


def _lifecycle(reason: LifecycleReason) -> str:  # noqa: C901 - one case for each reason
    match reason:
        case Destroyed(by):
            return f"Deleted by `{by}`. `/preview` creates it again."
        case ForkNotAllowed(repository):
            return (
                "This pull request comes from a fork, so nothing runs automatically. Users with write access "
                f"to {repository} can allow this commit with `/preview`. Each push needs a new approval."
            )
        case SkippedLabel(label):
            return f"No preview while the label {label!r} is set (`preview.skip.labels`)."
        case HeadChanged(before, after):
            return f"The head changed from {before[:7]} to {after[:7]}."
        case LabelsChanged(labels):
            return f"Labels: {', '.join(labels) or 'none'}."
        case BaseChanged(branch):
            return f"Base branch: {branch}."
        case AttemptStarted(commit):
            return f"Deploying {commit[:7]}."
        case ReleaseTargeted(release, commit):
            return f"Deploying release {release} of {commit[:7]}."
        case Serving(commit, url):
            return (
                f"{commit[:7]} responds at {url}." if url else f"{commit[:7]} runs; no route is configured."
            )
        case Expiring(at):
            return f"Expires at {at:%Y-%m-%d %H:%M} UTC."
        case Queued():
            return _queued(reason)
        case Overdue(minutes):
            return f"It existed {minutes} minutes longer than it should have."
        case DeploymentsDeactivated(count):
            return f"{count} Deployments on GitHub were still active."
        case NamespaceRenamed(before, after):
            return f"The namespace {before} is obsolete; the environment now uses {after}."
        case unknown:
            assert_never(unknown)


def _queued(reason: Queued) -> str:
    position, scope = reason.position, ""
    match position.scope:
        case Scope.AUTHOR:
            scope = f" of {reason.author}"
        case Scope.REPOSITORY:
            scope = f" of {reason.repository}"
    ordinal = {1: "1st", 2: "2nd", 3: "3rd"}.get(position.position, f"{position.position}th")
    place = f"{ordinal} in the queue"
    if position.position > SHOWN_POSITIONS:
        place = f"In the queue behind {SHOWN_POSITIONS} others"
    running = f"{position.running} of {position.cap} previews{scope} run"
    return f"{place}: {running}. It starts automatically when a slot is free."


def _phase(reason: PhaseReason) -> str:  # noqa: C901 - one case for each reason
    match reason:
        case TtlLimited(requested, allowed):
            limit = format_duration(allowed)
            return f"`preview.ttl` is `{format_duration(requested)}`; the operator allows at most `{limit}`."
        case ManifestNotes(notes):
            return manifest_notes(notes)
        case ManifestsTransformed(counts):
            return note_counts(counts)
        case SizeExceeded(excess):
            amounts = ", ".join(f"{asked} of {name} (of {most})" for name, (asked, most) in excess.items())
            return (
                f"Not started: the manifests request too much: {amounts}. Request less, or raise `size`, up "
                "to the operator's maximum."
            )
        case CiFailed(commit, checks, images):
            return f"CI failed for {commit[:7]} ({', '.join(checks)}): no image {', '.join(images)}."
        case ImageMissing(images, ci):
            return f"Waiting for the image {', '.join(images)}: {_ci(ci)}."
        case RegistryUnavailable(message, failed):
            failure = f" CI failed for this commit ({', '.join(failed)})." if failed else ""
            return f"{ended(f'Waiting for the image: {message}')}{failure}"
        case ManifestsDiffer(commit, release):
            return (
                f"The manifests of {commit[:7]} render differently from those of release {release}, so this "
                "is not what was promoted."
            )
        case ClusterNotGranted() | StaysOnCluster() | NamespaceLeft():
            return describe_cluster(reason)
        case ForeignNamespace(name):
            return (
                f"The namespace {name} exists but does not belong to this environment. Rename or delete it, "
                "then push again."
            )
        case CheckCompleted(attempts):
            return "The Job completed." if attempts < 2 else f"The Job completed at attempt {attempts}."
        case CheckFailed(name, summary):
            return f"The check {name} failed: {summary}"
        case ChecksFailed(names):
            return f"Failed checks: {name_list(names)}."
        case ChecksRunning(names):
            return f"Waiting for the checks: {', '.join(names)}."
        case UnexpectedImage(pod, container, image):
            return f"Container {container} of pod {pod} runs {image}, which is not the release's image."
        case TimedOut(waited):
            return f"Timed out. {describe(waited)}"
        case ObjectWaiting(kind, name, message):
            return f"Waiting for {kind} {name}: {clause(message)}"
        case ServiceWaiting(name):
            return f"Waiting for Service {name} to reach its pods."
        case ObjectFailed(kind, name, message):
            return f"{kind} {name}: {message}"
        case ImmutableFieldsChanged():
            return _immutable(reason)
        case GatewayMismatch(error, status, release, route):
            response = clause(error) or f"HTTP {status} from release {release or 'unknown'}"
            return f"Waiting for the gateway{f' (route `{route}`)' if route else ''}: {response}"
        case UnknownRoute(route, names):
            return f"The manifests have no route `{route}`; existing routes: {name_list(names) or 'none'}."
        case HttpResult(path, status, error, attempts):
            result = clause(error) or f"`GET {path}` returned {status}"
            passed = status is not None and 200 <= status < 400
            return result if passed else f"{result}; {attempts} attempt{'s' * (attempts != 1)}."
        case HookWaiting(name, message):
            return f"Waiting for the hook `{name}`: {message}"
        case HookFailed(name, message):
            return f"The hook `{name}` failed: {message}"
        case (
            DeletingData() | NewDataImpossible() | JobWaiting() | JobFailed() | MigrationsPassed() | Seeded()
        ):
            return describe_data(reason)
        case unknown:
            assert_never(unknown)


def _immutable(reason: ImmutableFieldsChanged) -> str:
    fields, kind, stage = name_list(reason.fields), reason.kind, reason.environment.name
    changed = f"Kubernetes cannot change {fields} of {kind} {reason.name}."
    if kind == "PersistentVolumeClaim":
        advice = "Data is never replaced: restore the old value, or use a claim with another name."
        if reason.environment.kind is EnvironmentKind.PREVIEW:
            return f"{changed} {advice} `/reseed` starts again with new data."
        return f"{changed} {advice}"
    return f"{changed} `/replace {stage}` deletes and recreates the object, which restarts its pods."


def _ci(state: CiState) -> str:
    match state:
        case CiState.PENDING:
            return "CI is still running"
        case CiState.PASSED:
            return "CI passed, but the image is not in the registry"
        case _:
            return "no CI has reported on this commit yet"
