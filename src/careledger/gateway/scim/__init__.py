"""SCIM 2.0: an organisation's directory says who works here and in which team, by a token of an operator of it."""
