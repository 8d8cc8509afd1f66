"""How an organisation's staff sign on at its own identity provider, by OpenID Connect or SAML 2.0."""
