# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One finding of the doctor, made by a module or on the controller."""

from __future__ import annotations

# The only one that makes the doctor fail is `missing`.
STATUSES = ("missing", "unknown", "advice", "ok")


def finding(subject, status, tried, found, advice=""):
    """One finding as a dict.

    :param subject: what it is about: `queue`, `API`, or a host of the inventory.
    :param status: one of `STATUSES`; `unknown` is what could not be found out.
    :param tried: what was done to find out.
    :param found: what came of it.
    :param advice: what to do next, where there is something to do.
    """
    return {"subject": subject, "status": status, "tried": tried, "found": found, "next": advice}
