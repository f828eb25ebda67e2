# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs about policy documents that replace others: they allow no more and deny no less, or a counterexample.

Private to the collection. May import policies.
"""
