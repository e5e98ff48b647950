"""Organisations (tenants) and their products."""
