# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe: compare an alert's steps with the account, and decide whether they are applied.

Private to the collection. May import operations and what they import.
"""
