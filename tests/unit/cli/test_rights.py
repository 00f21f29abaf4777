"""`greenroom rights`."""

from __future__ import annotations

import yaml

from bot.cluster.rights import ENVIRONMENT_RIGHTS, Right
from tests.unit.cli.runner import greenroom


def test_role_has_the_kinds_of_the_settings() -> None:
    result = greenroom(
        "rights",
        GREENROOM_ALLOWED_KINDS="clusters.db.example.com/v1=Cluster",
        GREENROOM_SECRETS_NAMESPACES="vault",
        GREENROOM_PULL_SECRETS="acme/*=registries/ghcr",
        GREENROOM_TERRAFORM_CREDENTIALS="acme/shop=credentials/aws",
    )
    assert result.exit_code == 0, result.stderr
    role, *bindings = yaml.safe_load_all(result.stdout)
    granted = {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    verbs = ("create", "delete", "list", "patch")
    assert granted - ENVIRONMENT_RIGHTS == {Right("db.example.com", "clusters", verb) for verb in verbs}
    assert granted >= ENVIRONMENT_RIGHTS
    assert [binding["metadata"]["namespace"] for binding in bindings] == [
        "credentials",
        "registries",
        "vault",
    ]
