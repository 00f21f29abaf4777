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


def test_bot_sees_just_the_stores_that_are_granted() -> None:
    result = greenroom("rights", GREENROOM_SECRET_STORES="acme/*=vault,acme/shop=google,acme/shop=vault")
    assert result.exit_code == 0, result.stderr
    _, role, binding = yaml.safe_load_all(result.stdout)
    assert role["rules"] == [
        {
            "apiGroups": ["external-secrets.io"],
            "resources": ["clustersecretstores"],
            "resourceNames": ["google", "vault"],
            "verbs": ["get"],
        }
    ]
    assert (binding["kind"], binding["roleRef"]["name"]) == ("ClusterRoleBinding", role["metadata"]["name"])
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "greenroom", "namespace": "greenroom"}]
