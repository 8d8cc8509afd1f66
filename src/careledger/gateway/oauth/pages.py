"""What people read before an app acts for them: pages without a script, in no frame, with nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.responses import Response

from careledger.app import clients
from careledger.app.refined import readable
from careledger.app.scopes import ANY, PATIENT, Word
from careledger.gateway.oauth.answers import SAFE

HTML = "text/html; charset=utf-8"
STYLE = "/oauth/page.css"
DOES = {"c": "write", "r": "read", "u": "change", "d": "take back", "s": "search"}
OTHERS = {
    clients.OPENID: "know that it is you",
    clients.FHIR_USER: "know which post you are",
    clients.OFFLINE: "go on for 90 days when you have signed out",
    clients.ONLINE: "go on while you are signed in",
    clients.LAUNCH: "know for whom you opened it",
    clients.LAUNCH_PATIENT: "know which patient you choose",
    clients.LAUNCH_ENCOUNTER: "know which encounter you opened it in",
}


def style() -> bytes:
    """The style of all pages."""
    return files("careledger.gateway.oauth").joinpath("page.css").read_bytes()


def page(title: str, body: str, status: int = 200, leads_to: str = "", then: str = "") -> Response:
    """A page; ``leads_to`` is an address that its form ends at, ``then`` one that is gone to by itself. ``body`` is
    markup, all else is text."""
    policy = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{_origin(leads_to)}"
    )
    goes = f'<meta http-equiv="refresh" content="0; url={_text(then)}">' if then else ""
    said = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>{goes}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="{STYLE}">'
        f"</head><body><main><h1>{_text(title)}</h1>{body}</main></body></html>"
    )
    headers = {
        **SAFE,
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",  # without any, browsers send a form from nowhere: Origin: null
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return Response(said.encode(), status, headers, media_type=HTML)


def said(title: str, why: str, status: int, links: Mapping[str, str] | None = None) -> Response:
    """A page that says why, and where to go from there."""
    more = "".join(f'<p><a href="{_text(url)}">{_text(name)}</a></p>' for name, url in (links or {}).items())
    return page(title, f"<p>{_text(why)}</p>{more}", status)


def handed_on(url: str) -> Response:
    """On to the question: begun by a page of this site, so that the browser brings the session along."""
    return page("One moment", f'<p><a href="{_text(url)}">Go on</a></p>', then=url)


OF_PATIENTS = {
    clients.OFFLINE: "go on for 90 days, as long as your consent stands",
    clients.LAUNCH_PATIENT: "know which record is yours",
}
"""What is said otherwise to a patient."""
POST = "wants to act as your post. What it may see each patient decides, and every request stands in the patient's log."
SESSIONS = '<p><a href="/sign-in">Your sessions, the apps that act for you, and signing out</a></p>'
PATIENT_SELF = (
    "wants to read your record. It sees what your consent to it covers and nothing else, and every request stands in "
    "your log under its name."
)


@dataclass(frozen=True, repr=False)
class Whom:
    """For whom, beside which other scopes: ``patient``, or one to ``choose``; or whoever brings the pass that lets in
    that ``client``."""

    others: Sequence[str]
    patient: str = ""
    choose: Mapping[str, str] = field(default_factory=dict)
    client: str = ""


@dataclass(frozen=True, repr=False)
class Asks:
    """Which app, whose organisation registered it, what it wants, and for whom."""

    app: str
    organisation: str
    words: Sequence[Word]
    whom: Whom


def question(asks: Asks, request: Mapping[str, str], back: str) -> Response:
    """What the app wants, each part to be left out, and yes or no; ``back`` is where it is answered."""
    hidden = [
        f'<input type="hidden" name="{_text(name)}" value="{_text(value)}">'
        for name, value in request.items()
    ]
    parts = [
        f'<p><label><input type="checkbox" name="granted" value="{_text(each.said)}" checked> {_text(does(each))}'
        "</label></p>"
        for each in asks.words
    ]
    own, words = asks.whom.client, OTHERS | (OF_PATIENTS if asks.whom.client else {})
    told = [f"<li>{_text(words[each])}</li>" for each in asks.whom.others]
    body = (
        f"<p><strong>{_text(asks.app)}</strong>, which {_text(asks.organisation)} registered, "
        f"{PATIENT_SELF if own else POST}</p>"
        f'<form method="post" action="/oauth/consent">{"".join(hidden)}{_whom(asks.whom)}'
        f"<fieldset><legend>It may</legend>{''.join(parts)}</fieldset>"
        + (f"<p>It will also</p><ul>{''.join(told)}</ul>" if told else "")
        + f"<p>You are led to {_text(_place(back))}.</p>"
        '<p><button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="refuse" formnovalidate>Refuse</button></p></form>'
        + ("" if own else SESSIONS)
    )
    return page(f"Let {asks.app} {'read your record' if own else 'act for you'}?", body, leads_to=back)


def _whom(whom: Whom) -> str:
    if whom.client:
        return (
            "<p>Your agent lets it in: <code>careledger app allow YOU "
            f"{_text(whom.client)}</code> shows what it would see and gives a pass, good once. Type it here, where the "
            "address is the one that you know, and nowhere else.</p>"
            '<p><label>Pass <input name="pass" autocomplete="off" autocapitalize="characters" spellcheck="false" '
            'maxlength="40" required></label></p>'
        )
    if whom.patient or not whom.choose:
        return f"<p>For {_text(whom.patient)}.</p>" if whom.patient else ""
    options = [
        f'<option value="{_text(alias)}">{_text(name)}</option>' for alias, name in whom.choose.items()
    ]
    return (
        '<p><label>For which patient <select name="patient" required><option value="">Choose</option>'
        f"{''.join(options)}</select></label></p>"
    )


def does(word: Word) -> str:
    """What a scope lets an app do, in words."""
    letters = ", ".join(DOES[each] for each in word.letters)
    kind = "records of every type" if word.kind == ANY else f"{word.kind} records"
    whose = " of this patient" if word.level == PATIENT else ""
    return f"{letters}: {kind}{whose}" + (f" whose {readable(word.query)}" if word.query else "")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc or f"an app on this device ({parts.scheme})"


def _origin(url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    return f" {parts.scheme}://{parts.netloc}" if parts.netloc else f" {parts.scheme}:"


def _text(said: str) -> str:
    return html.escape(said, quote=True)
