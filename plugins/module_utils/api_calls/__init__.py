# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to APIs: counted, ended at a deadline, kept to those that a step declares, sent to the right region.

Private to the collection. The call fence imports operations and what they import; the other files import no package.
"""
