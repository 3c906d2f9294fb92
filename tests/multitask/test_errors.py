import pytest

from multitask.errors import UserError, run_command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("rule; received: x; way out"), 2, "error: rule; received: x; way out\n"),
        (
            OSError(28, "No space left", "/x"),
            2,
            "error: files must be there and folders writable; received: [Errno 28] No space left: '/x'\n",
        ),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_command_ends_with_one_line_and_its_code(error, code, line, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == code
    assert capsys.readouterr() == ("", line)


def test_a_bug_is_not_hidden():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(main)
