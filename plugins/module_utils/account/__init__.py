# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live account as facts, and as one script finds it.

Private to the collection. May import policies, policy_proof and guardrails.
"""
