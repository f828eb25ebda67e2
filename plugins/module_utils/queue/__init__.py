# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQS queue of alerts: its address, its messages, and what its errors mean.

Private to the collection. May import api_calls.
"""
