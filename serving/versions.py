"""Version folders: what a model's base path holds."""

from pathlib import Path

from serving.errors import UserError


def versions(base_path: Path) -> dict[int, Path]:
    """Version folders by number, newest first: names are whole numbers, leading zeros allowed.

    Raises:
        UserError: there is no such folder, or no version in it.
    """
    if not base_path.is_dir():
        raise UserError(f"model_base_path must be a folder of version folders; received {str(base_path)!r}")
    found = {
        int(path.name): path
        for path in sorted(base_path.iterdir())
        if path.name.isascii() and path.name.isdigit() and path.is_dir()
    }
    if not found:
        raise UserError(
            f"model_base_path must hold a version folder such as {base_path / '1'}; received one without any"
        )
    return dict(sorted(found.items(), reverse=True))
