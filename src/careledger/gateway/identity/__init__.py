"""How people sign up, sign in and see to their sessions: the routes under /identity, and a page for browsers."""
