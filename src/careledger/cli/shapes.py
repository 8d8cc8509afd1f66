"""The names at the top of each command's ``--json`` object: they stay, and tests hold the commands to them."""

from __future__ import annotations

_PARTY = ("name", "id", "did", "roles", "status", "standing", "employer", "custodian", "teams", "controller",
          "sealing_key", "licence")  # fmt: skip
_LINK = ("first", "second", "commitment")
_REQUEST = ("request", "reader", "employer", "may", "categories", "purpose", "start", "end", "reason", "made", "answer",
            "until")  # fmt: skip
_CONSENT = ("state", "grantee", "grantee_kind", "organisation", "may", "categories", "single_records", "narrowed",
            "purpose", "start", "end", "given", "revoked", "ready_made", "owner", "commitment", "window")  # fmt: skip
_READ = ("rule", "complete", "records", "not_looked_into", "problems")
_DEPOSITED = ("records", "handles", "ground", "root", "thin")
_ORDERED = ("patient", "record", "act", "versions", "custodians")
_CUSTODIAN = ("name", "leaving", "here", "patients", "log_lines", "anchored_lines", "anchored_at", "cosigners",
              "forked", "attestations_owed", "evidence")  # fmt: skip
_HELD = ("patient", "alias", "controller")

SHAPES: dict[str, tuple[str, ...]] = {
    "init": ("folder", "chain_id", "nodes", "directory", "officers", "threshold", "members", "custodians",
             "matrix_version", "voted_matrix", "delay"),
    "passphrase": ("folder", "sealed_files"),
    "show": ("folder", "network", "parties", "patients", "aliases", "records"),
    "version": ("careledger", "python", "engine", "sqlite", "cryptography"),
    **{f"party {name}": _PARTY for name in ("register", "verify", "post", "rotate", "suspend", "reinstate", "end",
                                            "remove", "show")},
    "party list": ("parties",),
    "party team create": ("team", "number"),
    "party team join": ("team", "post"),
    "party team leave": ("team", "post"),
    "patient register": ("alias", "registrar"),
    "patient claim": _HELD,
    "patient list": ("patients",),
    "patient recover": ("patients",),
    "patient find": ("matches", "unanswered"),
    "patient located": ("located",),
    "patient emergencies": ("patient", "named"),
    "patient rotate": ("patient", "alias", "generation"),
    "patient duplicates": ("pairs",),
    "patient link": _LINK,
    "patient links": ("links",),
    "patient unlink": _LINK,
    "patient guardian": (*_HELD, "until"),
    "patient majority": _HELD,
    "patient end": ("patient", "alias", "consents_revoked"),
    "patient death": ("alias", "controller"),
    "patient after-death": ("alias", "reader", "until", "file"),
    "consent request": _REQUEST,
    "consent requests": ("requests",),
    "consent refuse": _REQUEST,
    "consent grant": _CONSENT,
    "consent revoke": ("patient", "owner", "block", "time"),
    "consent ready-made": ("ready_made",),
    "share": _CONSENT,
    "break-glass open": ("entry", "until", *_READ),
    "break-glass list": ("emergencies",),
    "break-glass review": ("entry", "reviewed_by", "justified"),
    "record note": _DEPOSITED,
    "record report": _DEPOSITED,
    "record amend": _DEPOSITED,
    "record adopt": _DEPOSITED,
    "record accept": ("record", "accepted_by", "custodians"),
    "record retract": ("record", "versions", "custodians"),
    "record move": ("record", "versions", "successor"),
    **{f"record {act}": _ORDERED for act in ("confirm", "dispute", "restrict", "unrestrict")},
    "record erase": (*_ORDERED, "charts_that_keep_a_copy", "erased_from"),
    "erase": (*_ORDERED, "charts_that_keep_a_copy", "erased_from"),
    "import": ("run", "files"),
    "undo-import": ("imports", "undone"),
    "export": ("file", "form", "count"),
    "search": ("searched", *_READ, "trends"),
    "consent list": ("patient", "alias", "consents"),
    "custodian list": ("custodians",),
    **{f"custodian {name}": _CUSTODIAN for name in ("status", "add", "leave", "retire")},
    "custodian checkpoint": ("custodians", "failed"),
    "custodian repair": ("patient", "custodian", "versions"),
    "custodian replace": ("patient", "custodian", "successor", "versions", "retired"),
    "retention show": ("in_force", "coming"),
    "retention vote": ("carried", "version", "since", "days"),
    "doctor": ("well", "repaired", "findings"),
    "bench": ("parts",),
    "audit": ("patient", "alias", "complete", "accesses", "logs", "problems"),
    "chain head": ("number", "hash", "parent", "time", "state", "gas_used"),
    "chain verify": ("verified", "engine", "blocks", "transactions", "accounts", "slots", "head"),
    "chain rebuild": ("rows", "differed", "head"),
    "chain serve": ("chainId", "chainName", "nativeCurrency", "rpcUrls"),
    "verify": ("holds", "findings"),
}  # fmt: skip
"""``show`` without a PATIENT."""
