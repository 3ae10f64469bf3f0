"""Runs a Python module as a child that cannot outlive its parent.

Usage: ``python lifeline.py <folder> <module> [arguments…]`` with a pipe as standard input
that the parent never writes to. Imports are looked up in ``<folder>`` first, unless it is
empty. However the parent ends, even by SIGKILL, the system closes the pipe; the child then
kills its whole process group, its own children included.

The file imports the standard library only, because it runs under the emulator's
interpreter as well, where this project is not installed.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_parent() -> None:
    """Blocks until standard input ends, then kills the process group."""
    # Not `sys.stdin`: its lock, held by a waiting thread, would break the end of the interpreter.
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Starts the watch and runs the module named on the command line."""
    folder, module, *arguments = sys.argv[1:]
    # A group of our own is the parent's duty; without it we would kill the parent's.
    if os.getpgrp() != os.getpid():
        sys.exit("lifeline.py must be started in a process group of its own")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A script has its own folder on the path; the module finds the folder it was given instead.
    sys.path[0:1] = [folder] if folder else []
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
