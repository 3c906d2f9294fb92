"""The proof that every derived gradient is right: `python -m multitask.gradcheck --help`."""
