"""Networks built from layers: trunks, heads, and the two ways of putting them together."""

import multitask  # noqa: F401  before anything else imports TensorFlow, and not quietly
