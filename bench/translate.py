# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translate 1,000 vendor-shaped scripts in one process and tell how long it takes: `make bench`.

Ends with status 1 when it takes longer than it may.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from document import write_part
from stack.vendor_scripts import vendor_scripts

init_plugin_loader([str(Path(__file__).parent.parent / "collections")])

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate

ACCOUNT = "123456789012"
COUNT, RUNS, MOST_SECONDS = 1_000, 5, 2.0


def main() -> int:
    scripts = [script.text for script in vendor_scripts(ACCOUNT, COUNT)]
    first, *others = [seconds_for(scripts) for _run in range(1 + RUNS)]
    length = statistics.mean(map(len, scripts))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    shown = (
        f"{COUNT:,} scripts of {length:,.0f} characters on average, in one process on {machine}: {first:.2f} s with "
        f"the service model to load, {statistics.median(others):.2f} s as the median of {RUNS} further times; at most "
        f"{MOST_SECONDS:.0f} s are allowed."
    )
    print(shown)
    write_part("translating", "make bench", shown)
    return int(first > MOST_SECONDS)


def seconds_for(scripts: list[str]) -> float:
    began = time.perf_counter()
    for script in scripts:
        translated = translate(script, ACCOUNT)
        if translated["disposition"] is not None:
            raise SystemExit(f"not translated: {translated['reason']}")
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
