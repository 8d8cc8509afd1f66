"""Importing the sample, everything on, and what it takes on disk; beside it the same files put into one SQLite table.

    python bench/imports.py [--json] [--copies N] [--resources N] [--minutes M] [--directory DIR]

Parse, validate, classify, seal, shares and escrow durable at custodians, blocks durable, anchored: registering the
patients is not counted, their epochs are. Files are read ahead in a second process. The rival seals, logs and anchors
nothing: json.loads, one row for each resource, one synced transaction a file. ``--copies`` imports the sample so often,
each time for new patients, and ``--resources`` goes on until so many are in or ``--minutes`` are over: the cost per
resource of the last copy as a multiple of the first one's, by time and by processor time, has to stay flat.
Disk is counted over the sample patients that the dictionary was not trained on, and once with a deposit for
each record.
"""

if __name__ == "__main__":
    from pathlib import Path

    from _importing import measure
    from _measured import run

    run(
        __doc__ or "", measure,
        ("--copies", {"type": int, "default": 2}), ("--resources", {"type": int, "default": 0}),
        ("--minutes", {"type": float, "default": 30}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
