"""The sources of Vault, External Secrets and sealed-secrets, and what is changed in them before a build.

Replacements by folders, which a module from the proxy does not have, are dropped. So is what takes minutes to
compile and no test uses: clients of clouds are more than half of the code of Vault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Edit = tuple[str, str]
"""A text of a file, and what takes its place."""


@dataclass(frozen=True)
class Source:
    """A Go module and the programs that are built from it."""

    module: str
    version: str
    programs: Mapping[str, str]
    """Name to package."""
    tags: str = ""
    dropped: tuple[str, ...] = ()
    """Modules whose replacements by folders are dropped."""
    edits: Mapping[str, tuple[Edit, ...]] = field(default_factory=dict)
    """Edits by file."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that are written anew."""
    crds: tuple[str, ...] = ()
    """Patterns of the files with custom resource definitions."""


_VAULT = "github.com/hashicorp/vault"
_PROVIDERS = "github.com/external-secrets/external-secrets/pkg/provider"
_NOT_BUILT = 'errors.New("not built")'
_DISCOVER = f"""package discover

import (
	"errors"
	"log"
)

type Discover struct{{}}

func (*Discover) Addrs(string, *log.Logger) ([]string, error) {{ return nil, {_NOT_BUILT} }}

type Config map[string]string

func (Config) String() string {{ return "" }}

func Parse(string) (Config, error) {{ return nil, {_NOT_BUILT} }}
"""
"""Replacement of a library that finds the other servers of a cluster by the clients of 14 clouds."""
_OTHER_DISCOVER = ('"github.com/hashicorp/go-discover"', f'"{_VAULT}/helper/discover"')
_CLOUD_LOGINS = {
    "alicloud": "NewAliCloudAuthMethod(authConfig)",
    "aws": "NewAWSAuthMethod(authConfig)",
    "azure": "NewAzureAuthMethod(authConfig)",
    "cf": "NewCFAuthMethod(authConfig)",
    "gcp": "NewGCPAuthMethod(authConfig)",
    "kerberos": "NewKerberosAuthMethod(authConfig)",
    "oci": "NewOCIAuthMethod(authConfig, vaultAddress)",
}
"""Logins of Vault's agent. The server has none of them."""


def _without_cloud_logins() -> Iterator[Edit]:
    for package, call in _CLOUD_LOGINS.items():
        yield f'\t"{_VAULT}/command/agentproxyshared/auth/{package}"\n', ""
        yield f"return {package}.{call}", f"return nil, {_NOT_BUILT}"


SOURCES = (
    Source(
        _VAULT,
        "v1.21.4",
        {
            "vault": ".",
            "postgresql-database-plugin": "./plugins/database/postgresql/postgresql-database-plugin",
            "vault-plugin-auth-kubernetes": (
                "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes"
            ),
        },
        tags="minimal",
        dropped=tuple(
            f"{_VAULT}/{part}"
            for part in ("api", "api/auth/approle", "api/auth/kubernetes", "api/auth/userpass", "sdk")
        ),
        edits={
            "command/agentproxyshared/helpers.go": tuple(_without_cloud_logins()),
            "command/server/config.go": (_OTHER_DISCOVER,),
            "vault/raft.go": (
                _OTHER_DISCOVER,
                ('\tdiscoverk8s "github.com/hashicorp/go-discover/provider/k8s"\n', ""),
                (
                    "func newDiscover() (",
                    "func newDiscover() (*discover.Discover, error) { return nil, nil }\n\n/*\nfunc (",
                ),
                ("// formatDiscoveredAddr joins", "*/\n\n// formatDiscoveredAddr joins"),
            ),
            # Okta's client alone is a twelfth of the code.
            "vault/login_mfa.go": (
                ('\t"github.com/okta/okta-sdk-golang/v5/okta"\n', ""),
                ('\t"regexp"\n', ""),
                ("\tcfg, err := okta.NewConfiguration(", f"\t_ = orgURL\n\treturn {_NOT_BUILT}\n}}\n\n/*\n"),
                ("^.*/transactions", "transactions"),  # it would end the comment
                ("func (c *Core) validatePingID(", "*/\n\nfunc (c *Core) validatePingID("),
            ),
            # The published sdk is older than the one in the folder.
            "builtin/logical/transit/path_restore.go": (
                ("restoredKeyName, err := b.lm.", "restoredKeyName, err := keyName, b.lm."),
            ),
            "vault/identity_store.go": (
                (
                    "ActivationFunc: iStore.activateDeduplication",
                    "ActivationFunc: func(ctx context.Context, req *logical.Request, _ string) error "
                    "{ return iStore.activateDeduplication(ctx, req) }",
                ),
            ),
            "vault/logical_system_activation_flags.go": (
                ("ActivationFunc(ctx, nil)", 'ActivationFunc(ctx, nil, "")'),
            ),
        },
        files={"helper/discover/discover.go": _DISCOVER},
    ),
    Source(
        "github.com/external-secrets/external-secrets",
        "v0.16.2",
        {"external-secrets": "."},
        crds=(
            "config/crds/bases/external-secrets.io_*.yaml",
            # Without this kind the controller ends after two minutes.
            "config/crds/bases/generators.external-secrets.io_generatorstates.yaml",
        ),
        files={
            "pkg/generator/register/register.go": "package register\n",
            "pkg/provider/register/register.go": (
                f'package register\n\nimport (\n\t_ "{_PROVIDERS}/fake"\n\t_ "{_PROVIDERS}/vault"\n)\n'
            ),
        },
    ),
    Source(
        "github.com/bitnami-labs/sealed-secrets",
        "v0.40.0",
        {"sealed-secrets-controller": "./cmd/controller", "kubeseal": "./cmd/kubeseal"},
        crds=("helm/sealed-secrets/crds/bitnami.com_*.yaml",),
        edits={
            # It serves a cluster from outside of it here.
            "pkg/controller/main.go": (
                ("rest.InClusterConfig()", 'clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))'),
                ("k8s.io/client-go/rest", "k8s.io/client-go/tools/clientcmd"),
            ),
        },
    ),
)
