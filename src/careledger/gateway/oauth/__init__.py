"""OAuth 2.1 for apps and back-end services, after SMART App Launch 2.2: who they are, what tokens they get."""
