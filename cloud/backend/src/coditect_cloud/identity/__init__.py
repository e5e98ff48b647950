"""Who asks: tokens of identity providers, API keys, license keys, workloads; roles and scopes."""
