# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a run: settings, plan, journal, waves, outcome of each alert, undo, artifacts.

May import script and alerts. Private to the collection leastpriv.iam: it may change at any time.
"""
