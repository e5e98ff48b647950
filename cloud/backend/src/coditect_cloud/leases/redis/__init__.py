"""The Redis store of seats: each operation is one Lua script, atomic inside the server.

Needs Redis 6.2 or Valkey, with `maxmemory-policy noeviction`. It can forget (`lossy`): a crash
without persistence or a failover to a replica that lacks the newest grants is noticed by the
server's run_id and by fences, and answered by `NeedsRestore`.
"""

from coditect_cloud.leases.redis.options import RedisOptions
from coditect_cloud.leases.redis.store import RedisSeatStore

__all__ = ["RedisOptions", "RedisSeatStore"]
