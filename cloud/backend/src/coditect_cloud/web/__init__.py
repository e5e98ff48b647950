"""The HTTP API: thin routes over services, problems for errors, one contract."""

from coditect_cloud.web.app import Deps, create_app

__all__ = ["Deps", "create_app"]
