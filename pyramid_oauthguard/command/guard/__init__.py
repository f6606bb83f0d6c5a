"""The verbs for an application that is guarded: check and explain."""
