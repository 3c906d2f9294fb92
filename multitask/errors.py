"""What a user did wrong, and how a command says so."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input: the message names the rule, what was received and the way out, in one line."""


def run_command(main: Callable[[], None]) -> None:
    """Runs a command: a `UserError` or an `OSError` becomes one line on stderr and exit code 2.

    Ctrl-C ends it with exit code 130.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"error: files must be there and folders writable; received: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
