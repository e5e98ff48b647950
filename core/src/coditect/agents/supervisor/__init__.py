"""The guardian of one attempt: a process that outlives the coordinator and ends what it started.

Only the standard library is imported here, and of ours nothing outside this folder: a supervisor
is started for each attempt and has to be there within milliseconds, and it must keep working while
the package around it is upgraded. `pathlib`, `typing`, `dataclasses` and `subprocess` are left out
for the same reason: together they take longer to import than all the rest.
"""
