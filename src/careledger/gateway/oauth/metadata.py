"""What this server can do, from the tables that it works by: SMART's and OpenID's configuration, FHIR's addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from careledger.app import clients, signers
from careledger.app.assertions import ALGORITHMS
from careledger.fhir.json_text import Resource
from careledger.gateway.oauth import requests

TOKEN, INTROSPECTION, REVOCATION = "/oauth/token", "/oauth/introspect", "/oauth/revoke"
AUTHORIZATION, CONSENT, KEYS = "/oauth/authorize", "/oauth/consent", "/oauth/keys"
"""Paths beside the FHIR base."""
SMART, OPENID = "/.well-known/smart-configuration", "/.well-known/openid-configuration"
"""Under the FHIR base, and beside it."""
SERVER = "/.well-known/oauth-authorization-server"
"""Where clients that know OAuth alone look for the same as at ``OPENID`` (RFC 8414 3)."""
CLIENT_CREDENTIALS, BY_CODE, BY_REFRESH = "client_credentials", "authorization_code", "refresh_token"
GRANT_TYPES = (CLIENT_CREDENTIALS, BY_CODE, BY_REFRESH)
METHODS = ("private_key_jwt", "none")
RESPONSE_TYPES, CHALLENGES = ("code",), ("S256",)
CAPABILITIES = (
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-asymmetric",
    "sso-openid-connect", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient",
    "permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v1",
    "permission-v2",
)  # fmt: skip
RECORDS = ("system/*.cruds", "system/*.rs", "user/*.cruds", "user/*.rs", "patient/*.cruds", "patient/*.rs")
SCOPES = (*RECORDS, *clients.LAUNCHED, clients.INTROSPECT)
_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def issuer(base: str) -> str:
    """The issuer of id tokens; ``base`` is the FHIR address."""
    return base.removesuffix("/fhir")


def audiences(base: str) -> tuple[str, ...]:
    """What an assertion for this server names as its audience: one of these (RFC 7523 3; SMART: the first)."""
    return (issuer(base) + TOKEN, issuer(base))


def endpoints(base: str, origin: str) -> Mapping[str, str]:
    """Each endpoint's address by its name in RFC 8414; ``origin`` is where people's browsers are signed in."""
    beside = issuer(base)
    return {
        "authorization_endpoint": origin + AUTHORIZATION,
        "token_endpoint": beside + TOKEN,
        "introspection_endpoint": beside + INTROSPECTION,
        "revocation_endpoint": beside + REVOCATION,
    }


def smart_configuration(base: str, origin: str) -> dict[str, Any]:
    """SMART App Launch 2.2, conformance.html#metadata."""
    return {
        "issuer": issuer(base),
        "jwks_uri": issuer(base) + KEYS,
        **endpoints(base, origin),
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": list(RESPONSE_TYPES),
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": list(SCOPES),
        "response_modes_supported": [requests.ANSWERED_BY],
        **_proofs("revocation", METHODS),
        **_proofs("introspection", (METHODS[0], "Bearer")),
        "code_challenge_methods_supported": list(CHALLENGES),
        "authorization_response_iss_parameter_supported": True,
        "capabilities": list(CAPABILITIES),
    }


def openid_configuration(base: str, origin: str) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0, 3."""
    said = {
        name: value for name, value in smart_configuration(base, origin).items() if name != "capabilities"
    }
    return said | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [signers.ID_TOKENS],
        "claim_types_supported": ["normal"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
        "prompt_values_supported": sorted(requests.PROMPTS - {"none"}),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
    }


def _proofs(endpoint: str, methods: tuple[str, ...]) -> dict[str, Any]:
    """By what one proves oneself there (RFC 8414 2); what is left out would mean a secret."""
    named = f"{endpoint}_endpoint_auth"
    return {
        f"{named}_methods_supported": list(methods),
        f"{named}_signing_alg_values_supported": list(ALGORITHMS),
    }


def security(base: str, origin: str) -> Resource:
    """What the CapabilityStatement says of it."""
    names = {"authorize": "authorization", "token": "token"}
    found = endpoints(base, origin)
    uris = [{"url": name, "valueUri": found[f"{each}_endpoint"]} for name, each in names.items()]
    return {
        "extension": [{"url": _URIS, "extension": uris}],
        "service": [{"coding": [{"system": _SERVICES, "code": "SMART-on-FHIR"}]}],
        "description": "A bearer token of a post, issued by its employer, or to an app or a back-end service that it "
        "registered, or the session of whoever holds the post; what it may see each patient decides, and every "
        "request stands in the patient's log.",
    }
