# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules in a Python that is already loaded: the warm connection alone.

Imports no other package. Plugins import it, other packages do not.
Private to the collection leastpriv.iam: it may change at any time.
"""
