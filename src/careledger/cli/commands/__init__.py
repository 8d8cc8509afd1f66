"""The commands: one module for each word after careledger, with its options and its help."""
