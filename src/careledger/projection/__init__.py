"""From the ledger's events to facts: a pure fold into rows with history, and the view of them at one block."""
