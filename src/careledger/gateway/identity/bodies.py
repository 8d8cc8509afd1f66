"""What browsers send and are told under /identity."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from careledger.gateway.api.times import Moment

Id = Annotated[str, Meta(max_length=20, description="An organisation's identifier, or a post's.")]
Name = Annotated[str, Meta(max_length=64, description="A sign-in name.")]
Code = Annotated[str, Meta(max_length=64, description="Of an authenticator app, or a recovery code.")]
Secret = Annotated[str, Meta(max_length=1_024)]
Challenge = Annotated[str, Meta(max_length=64, description="From the options.")]
Answer = dict[str, Any]
"""A PublicKeyCredential as its toJSON() gives it, without what extensions gave."""


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """What a browser sends."""


class WantsOptions(Body, frozen=True):
    """Where somebody signs in; the name only for authenticators that do not find the passkey themselves."""

    organisation: Id
    name: Name = ""


class WantsToSignUp(Body, frozen=True):
    """Where somebody signs up, and by what."""

    organisation: Id
    by: Annotated[str, Meta(pattern="^(passkey|password)$")] = "passkey"


class SignUp(Body, frozen=True):
    """Who somebody is, and what proves them from now on: a passkey, or a password with an authenticator's code."""

    organisation: Id
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    national_id: Annotated[str, Meta(max_length=64)] = ""
    birth: Annotated[str, Meta(pattern="^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$", max_length=10)] = ""
    invitation: Code = ""
    credential: Answer | None = None
    challenge: Challenge = ""
    password: Secret = ""
    code: Code = ""


class SignIn(Body, frozen=True):
    """What proves somebody; ``purpose`` is what the session reads for."""

    organisation: Id
    credential: Answer | None = None
    name: Name = ""
    password: Secret = ""
    code: Code = ""
    purpose: Annotated[str, Meta(max_length=16)] = "TREAT"


class Again(Body, frozen=True):
    """The same once more, in a session; ``purpose`` changes what it reads for."""

    credential: Answer | None = None
    password: Secret = ""
    code: Code = ""
    purpose: Annotated[str, Meta(max_length=16)] = ""


class NewPasskey(Body, frozen=True):
    """One more passkey."""

    credential: Answer


class NewPassword(Body, frozen=True):
    """A password with the first code of the authenticator app that was shown the new secret, and the present one with
    a code of its own, or a passkey, as for proving it once more; an account that has neither yet says no ``proof``."""

    challenge: Challenge
    password: Secret
    code: Code
    proof: Again | None = None


class Alias(Body, frozen=True):
    """The patient who somebody is; empty: one who is to be registered."""

    patient: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", max_length=64)] = ""


class Post(Body, frozen=True):
    """A post of one's own organisation."""

    post: Id


class Nothing(Body, frozen=True):
    """No more than that."""


class SignOn(Struct, frozen=True):
    """An organisation's identity provider: the host that runs it, and the address here that leads there."""

    name: str
    address: str


class SignedOut(Struct, frozen=True):
    """Where the browser goes on to, to sign out at the provider too."""

    elsewhere: str


class Organisation(Struct, frozen=True):
    """Where somebody may sign in, and where its staff sign on."""

    id: str
    name: str
    sign_on: list[SignOn]


class Organisations(Struct, frozen=True):
    """The organisations of this gateway."""

    items: list[Organisation]


class Options(Struct, frozen=True, rename={"public_key": "publicKey"}):
    """What a browser makes or shows a passkey by; or a challenge with what an authenticator app is shown."""

    public_key: Answer | None = None
    challenge: str = ""
    totp: str = ""


class Me(Struct, frozen=True):
    """Whose session it is. ``state``: pending until the organisation approved, then active."""

    sign_in_name: str
    state: str
    post: str | None
    patient: str | None
    purpose: str
    proof: str
    proved: Moment
    until: Moment
    sign_on: list[SignOn]


class SignedUp(Struct, frozen=True):
    """The sign-in name that was given, and what is shown this once."""

    sign_in_name: str
    state: str
    recovery_codes: list[str]


class Recovery(Struct, frozen=True):
    """Shown this once."""

    recovery_codes: list[str]


class Session(Struct, frozen=True):
    """One of one's own sessions; ``here``: the one that asks."""

    id: str
    began: Moment
    seen: Moment
    until: Moment
    proof: str
    browser: str
    here: bool


class Sessions(Struct, frozen=True):
    """One's own sessions, the youngest first."""

    items: list[Session]


class Passkey(Struct, frozen=True):
    """One of one's own passkeys."""

    id: str
    made: Moment
    used: Moment


class Credentials(Struct, frozen=True):
    """What proves oneself here."""

    passkeys: list[Passkey]
    password: bool
    recovery_codes_left: int


class Claimed(Struct, frozen=True):
    """Who somebody says they are."""

    name: str
    national_id: str
    birth: str


class Person(Struct, frozen=True):
    """Somebody who has an account; ``claim`` for posts that may register whom it is about, until then."""

    id: str
    sign_in_name: str
    state: str
    made: Moment
    claim: Claimed | None


class People(Struct, frozen=True):
    """Who waits for approval."""

    items: list[Person]


class Alike(Struct, frozen=True):
    """A patient of the organisation's who may be whoever waits; ``why`` as ``Patient/$match`` has it."""

    patient: str
    why: str
    certain: bool


class AllAlike(Struct, frozen=True):
    """The likeliest first; each of them was told that somebody asked."""

    items: list[Alike]


class Invitation(Struct, frozen=True):
    """A code, shown this once, for whom the post is for."""

    code: str
    until: Moment
