"""What was done, by whom and when: chained so that a later change is found (S6)."""
