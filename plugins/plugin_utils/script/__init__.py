# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an AWS CLI script and translate it into steps. Pure: no I/O, no clock, no environment.

Imports module_utils only. Private to the collection leastpriv.iam: it may change at any time.
"""
