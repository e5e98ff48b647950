"""All that can be known about a plan before a token is spent.

`check` tells everything at once. Its heart is the ownership proof: two tasks whose lives can
overlap own no common path.
"""

from coditect.check.checking import check
from coditect.check.critical import Chains
from coditect.check.order import Edge, Order
from coditect.check.ownership import Collision, Rivalry, collisions
from coditect.check.scope import Scopes

__all__ = ["Chains", "Collision", "Edge", "Order", "Rivalry", "Scopes", "check", "collisions"]
