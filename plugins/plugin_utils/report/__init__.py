# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report a run: report.json, report.html, summary, notification, metrics, progress.

May import run, vendor_api, alerts and script. Private to the collection leastpriv.iam: it may change at any time.
"""
