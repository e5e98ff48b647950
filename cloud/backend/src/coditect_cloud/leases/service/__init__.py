"""What callers do with seats: checks who may, counts in the store, signs what is granted."""

from coditect_cloud.leases.service.answers import Mine, Seat, Waiting
from coditect_cloud.leases.service.asks import Ask, Beat
from coditect_cloud.leases.service.service import LeaseService

__all__ = ["Ask", "Beat", "LeaseService", "Mine", "Seat", "Waiting"]
