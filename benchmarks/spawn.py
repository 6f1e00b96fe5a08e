"""
Run a command and write on a descriptor, as JSON, what it took: `python -I -S spawn.py DESCRIPTOR COMMAND ...`

A process of its own, and a small one, for the memory of a child begins as that of its parent. Where the command has other
processes work for it, theirs counts as well: the most that all had together, pages in common once, seen ten times a second.
"""

import json
import os
import sys
import threading
import time

EVERY_SECONDS = 0.1


def together(pid: int) -> list[int]:
    """Return the processes that *pid* and those below it are."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208, small
            with open(f"/proc/{pid}/task/{thread}/children") as file:  # noqa: PTH123, read many times
                for child in file.read().split():
                    found += together(int(child))
    except OSError:
        pass  # it ended
    return found


def kilobytes(pid: int) -> int:
    """Return the memory of a process, what it has in common with others shared among them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:  # noqa: PTH123, read many times
            return next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


def watch(pid: int, most: list[int]) -> None:
    """Note in *most* what all processes have together, while there are several."""
    while True:
        pids = together(pid)
        if len(pids) > 1:
            most[0] = max(most[0], sum(map(kilobytes, pids)))
        time.sleep(EVERY_SECONDS)


def main() -> None:
    """Run, wait and tell."""
    descriptor, command, most = int(sys.argv[1]), sys.argv[2:], [0]
    os.set_inheritable(descriptor, False)
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    threading.Thread(target=watch, args=(pid, most), daemon=True).start()
    _, status, used = os.wait4(pid, 0)
    taken = {
        "wall_seconds": time.perf_counter() - started,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "megabytes": max(used.ru_maxrss, most[0]) / 1024,
        "exit_code": os.waitstatus_to_exitcode(status),
    }
    os.write(descriptor, json.dumps(taken).encode())


if __name__ == "__main__":
    main()
