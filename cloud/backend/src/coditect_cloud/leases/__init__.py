"""Leases: seats that cannot be oversold. `types` and `store` are the seam; `rules` decides."""
