"""The program behind the supervisors, run as `python -I -S start.py`.

With an attempt folder for its argument it supervises that attempt; without, it is the zygote.
"""

# ruff: noqa: PTH100, PTH120

import os
import sys


def _name_packages() -> None:
    """Make the packages above this one known without running them: they import too much.

    Isolated mode knows no path of ours. Importing the rest of this folder by name, instead of
    having it all in this file, means that it has been compiled before.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    for name in ("coditect.agents", "coditect"):
        folder = os.path.dirname(folder)
        package = type(sys)(name)
        package.__path__ = [folder]
        sys.modules[name] = package


if __name__ == "__main__":
    # What whoever started the coordinator had open is not ours to keep open.
    os.closerange(3, 1024)
    _name_packages()
    if len(sys.argv) > 1:
        from coditect.agents.supervisor.duty import main

        os._exit(main(sys.argv[1]))
    from coditect.agents.supervisor.zygote import serve

    serve()
