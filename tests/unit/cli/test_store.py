"""`greenroom store`."""

from tests.unit.cli.runner import greenroom


def test_copy_refuses_a_password_in_its_arguments() -> None:
    result = greenroom("store", "copy", "postgresql://greenroom:hunter22@db/greenroom")
    assert result.exit_code == 2
    assert "PGPASSWORD" in result.output
    assert "hunter22" not in result.output
