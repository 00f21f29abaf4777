"""Coverage-guided fuzzing of the same targets: `python -m tests.fuzz.guided TARGET SECONDS`.

Hypothesis builds the inputs and keeps its checks; atheris looks for bytes that lead to lines not seen before.
A failure is printed with its traceback, and ends it; its bytes are left in `test-output`.
"""

import sys
from pathlib import Path

import atheris

OUTPUT = Path("test-output")
PACKAGES = ("bot.cluster", "bot.config", "bot.commands", "bot.environments", "bot.github")

with atheris.instrument_imports(include=list(PACKAGES)):
    from tests.fuzz import test_fuzz

TARGETS = ("configurations", "manifests", "kustomizations", "charts", "comments")


def main(target: str, seconds: str) -> None:
    """Does not return: libFuzzer ends the process."""
    test = getattr(test_fuzz, f"test_{target}")
    OUTPUT.mkdir(exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={OUTPUT}/"]
    atheris.Setup([sys.argv[0], *options], test.hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in TARGETS or not sys.argv[2].isdigit():
        sys.exit(f"usage: python -m tests.fuzz.guided {'|'.join(TARGETS)} SECONDS")
    main(*sys.argv[1:])
