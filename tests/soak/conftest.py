"""What the tests of the server share with those here: models, faults, load."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))
